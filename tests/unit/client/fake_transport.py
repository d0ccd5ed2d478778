"""A server that was told what to answer, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vault.client import Request, Response

ENVIRONMENT: dict[str, Any] = {
    "id": "11111111-2222-4333-8444-555555555555",
    "name": "prod",
    "kind": "environment",
    "sealing": "server",
    "revision": 3,
    "description": "",
    "max_versions": 100,
    "cas_required": False,
    "delete_version_after_seconds": 0,
    "created_at": "2026-11-22T09:00:00Z",
    "updated_at": "2026-11-22T09:00:00.250000Z",
    "deleted_at": None,
    "bases": [],
}
TOKEN: dict[str, Any] = {
    "id": "aaaabbbbcccc",
    "accessor": "a1",
    "name": "web",
    "grants": [{"environment_id": ENVIRONMENT["id"], "permissions": ["read"]}],
    "parent_id": None,
    "created_at": "2026-11-22T09:00:00Z",
    "expires_at": None,
    "max_ttl_seconds": None,
    "renewable": False,
    "uses_left": None,
    "networks": [],
    "metadata": {},
    "last_used_at": None,
}
USER = {"id": "u1", "username": "ada", "role": "user", "created_at": "2026-11-22T09:00:00Z"}
NEW_SESSION = {
    "id": "s1",
    "secret": "srm_s_secret",
    "user": USER,
    "created_at": "2026-11-22T09:00:00Z",
    "expires_at": "2026-11-22T21:00:00Z",
    "idle_seconds": 1800,
}
SESSION = {
    "id": "s1",
    "kind": "api",
    "created_at": "2026-11-22T09:00:00Z",
    "last_seen_at": "2026-11-22T09:00:00Z",
    "expires_at": "2026-11-22T21:00:00Z",
    "address": "127.0.0.1",
    "agent": "",
    "current": True,
}


MADE_TOKEN = {
    "id": "tk1", "name": "backup", "session_id": "s2", "created_at": "2026-11-22T09:00:00Z",
    "expires_at": None, "last_used_at": None,
}  # fmt: skip


def variable(name: str, value: str, **attributes: Any) -> dict[str, Any]:
    """A variable as the server shows it."""
    shown = {"name": name, "value": value, "type": "default", "enabled": True, "literal": False, "description": ""}
    return shown | attributes


def answer(data: Any = None, status: int = 200, **headers: str) -> Response:
    """A JSON answer; header names are given with underscores."""
    named = {name.lower().replace("_", "-"): value for name, value in headers.items()}
    body = b"" if data is None else json.dumps(data).encode()
    return Response(status, {"content-type": "application/json", "x-request-id": "req-1", **named}, body)


def page(*items: Any, following: str | None = None) -> Response:
    """One page of a list."""
    return answer({"items": list(items), "next": following})


def text(body: str, warnings: str = "[]") -> Response:
    """A file's text."""
    return Response(200, {"content-type": "text/plain", "x-strongroom-warnings": warnings}, body.encode())


def problem(status: int, code: str, detail: str = "", **more: Any) -> Response:
    """An RFC 9457 problem; `retry_after` becomes the header."""
    headers = {"content-type": "application/problem+json", "x-request-id": "req-9"}
    if "retry_after" in more:
        headers["retry-after"] = str(more.pop("retry_after"))
    data = {"type": f"urn:strongroom:problem:{code}", "title": code, "status": status, "code": code, **more}
    if detail:
        data["detail"] = detail
    return Response(status, headers, json.dumps({**data, "request_id": "req-9"}).encode())


class FakeTransport:
    """Answers from what `on` was told: each answer once, the last one for ever. An exception is raised."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._routes: dict[tuple[str, str], list[Response | Exception]] = {}
        self.is_closed = False

    def on(self, method: str, path: str, *answers: Response | Exception) -> FakeTransport:
        """Answer `method` on `path` (below /api/v1, with its query) from now on."""
        self._routes[method, "/api/v1" + path] = list(answers)
        return self

    def send(self, request: Request) -> Response:
        self.requests.append(request)
        answers = self._routes.get((request.method, request.path))
        if not answers:
            raise AssertionError(f"Nobody told the fake what to answer to {request.method} {request.path}.")
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        self.is_closed = True

    @property
    def calls(self) -> list[str]:
        """What was asked, as `GET /environments`."""
        return [f"{request.method} {request.path.removeprefix('/api/v1')}" for request in self.requests]

    @property
    def sent_headers(self) -> Mapping[str, str]:
        """The headers of the last request."""
        return self.requests[-1].headers

    @property
    def sent(self) -> Any:
        """The JSON that the last request carried."""
        body = self.requests[-1].body
        return None if body is None else json.loads(body)
