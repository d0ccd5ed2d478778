"""`Client`: where the SDK begins."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from vault.client.answers import ErasureReport, ImportPlan, NewSession, User, Values
from vault.client.caller import Caller, segment
from vault.client.groups import Environments, Sessions, Tokens
from vault.client.sets import VariableSet
from vault.client.transport import READ_TIMEOUT_SECONDS, HttpsTransport, Transport
from vault.errors import SettingsError

DEFAULT_URL = "https://localhost:8443"


class Client:
    """A Strongroom server, seen by one holder of a credential. Safe to share between threads.

    `url`, `token` and `ca_file` default to `STRONGROOM_URL`, `STRONGROOM_TOKEN` (or the file that
    `STRONGROOM_TOKEN_FILE` names) and `STRONGROOM_CA_FILE`. `timeout_seconds` is how long one answer may take.
    `plain_http` allows an `http://` address on this machine. `transport` takes the place of HTTPS.

    `environments`, `tokens`, `sessions` and `globals` group the calls; `environment("prod")` is one set of
    variables. Raises the classes of `vault.errors`; each carries `request` and `request_id`.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        *,
        timeout_seconds: float = READ_TIMEOUT_SECONDS,
        plain_http: bool = False,
        transport: Transport | None = None,
    ) -> None:
        self.url = url or os.environ.get("STRONGROOM_URL") or DEFAULT_URL
        self._transport = transport or HttpsTransport(
            self.url,
            ca_file=ca_file or os.environ.get("STRONGROOM_CA_FILE"),
            read_timeout_seconds=timeout_seconds,
            plain_http=plain_http,
        )
        self._caller = Caller(self._transport, token_from(os.environ) if token is None else token)
        self.environments = Environments(self._caller)
        self.tokens = Tokens(self._caller)
        self.sessions = Sessions(self._caller)
        self.globals = VariableSet(self._caller, None)

    def __repr__(self) -> str:
        """The address alone: a repr ends up in logs."""
        return f"Client({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the server."""
        self._transport.close()

    def values(
        self,
        environment: str,
        names: Iterable[str] | None = None,
        *,
        resolve: bool = True,
        globals: bool = True,
    ) -> Values:
        """The flat `{name: value}` of an environment with the globals beneath it, references resolved.

        `names` asks for a few of them; `resolve=False` leaves `{{references}}` as written; `globals=False` leaves
        the layer beneath out. The last answers are kept in memory, and handed out again while the server says
        that they still hold. Raises `NotFound` for an environment that does not exist or was not granted.
        """
        return self.environment(environment).values(names, resolve=resolve, globals=globals)

    def environment(self, name: str) -> VariableSet:
        """The set of variables of the environment of that name or id; nothing is asked of the server yet."""
        return VariableSet(self._caller, name)

    def import_text(
        self,
        environment: str | None,
        format: str,
        text: str,
        *,
        mode: Literal["merge", "replace"] = "merge",
        dry_run: bool = False,
    ) -> ImportPlan:
        """Take in a file's text; `environment` None stands for the globals, and one that is not there is made.
        `replace` removes what the file does not hold; `dry_run` only tells the plan."""
        body = {"environment": environment, "format": format, "text": text, "mode": mode, "dry_run": dry_run}
        return ImportPlan.from_json(self._caller.send_json("POST", "/import", body))

    def login(self, username: str, password: str) -> NewSession:
        """Open a session and act in it from now on. Never repeated by itself once sent.

        Raises `BadLogin`, and `SecondFactorRequired`, whose `challenge_id` goes to `complete_login`.
        """
        self._caller.use_token("")
        return self._adopt("/sessions", {"username": username, "password": password})

    def complete_login(
        self, challenge_id: str, *, code: str = "", recovery_code: str = "", passkey: Mapping[str, Any] | None = None
    ) -> NewSession:
        """Go on with a login that has asked for a second factor; give one. Raises `BadSecondFactor`."""
        proof = _proof(code, recovery_code, passkey)
        return self._adopt(f"/sessions/challenges/{segment(challenge_id)}", proof)

    def step_up(self, password: str) -> NewSession:
        """Prove the password again: a fresh session takes the place of this one. Raises as `login` does; then
        `complete_step_up` goes on."""
        return self._adopt("/sessions/step-up", {"password": password})

    def complete_step_up(
        self, challenge_id: str, *, code: str = "", recovery_code: str = "", passkey: Mapping[str, Any] | None = None
    ) -> NewSession:
        """Go on with a step-up, as `complete_login` does with a login."""
        proof = _proof(code, recovery_code, passkey)
        return self._adopt(f"/sessions/step-up/challenges/{segment(challenge_id)}", proof)

    def logout(self) -> None:
        """End the session that this client acts in."""
        for session in self.sessions.list():
            if session.current:
                self.sessions.revoke(session.id)
        self._caller.use_token("")

    def me(self) -> User:
        """The person whose session this is."""
        return User.from_json(self._caller.send_json("GET", "/me"))

    def change_password(self, current_password: str, new_password: str) -> None:
        """Change the password; all other sessions end."""
        body = {"current_password": current_password, "new_password": new_password}
        self._caller.send("PUT", "/me/password", body)

    def delete_me(self, password: str) -> ErasureReport:
        """Delete the account and shred all that it holds; what went, and what remains where. There is no way back.
        Never repeated by itself once sent."""
        return ErasureReport.from_json(self._caller.send_json("DELETE", "/me", {"password": password}, is_login=True))

    def _adopt(self, path: str, body: Mapping[str, Any]) -> NewSession:
        session = NewSession.from_json(self._caller.send_json("POST", path, body, is_login=True))
        self._caller.use_token(session.secret)
        return session


def _proof(code: str, recovery_code: str, passkey: Mapping[str, Any] | None) -> dict[str, Any]:
    given = {"code": code, "recovery_code": recovery_code, "passkey": passkey}
    return {name: value for name, value in given.items() if value}


def token_from(environ: Mapping[str, str]) -> str:
    """The token that the environment gives, or "". Raises `SettingsError` where it cannot be told or read."""
    token, path = environ.get("STRONGROOM_TOKEN", ""), environ.get("STRONGROOM_TOKEN_FILE", "")
    if token and path:
        raise SettingsError("STRONGROOM_TOKEN and STRONGROOM_TOKEN_FILE are both set; keep one.")
    if not path:
        return token
    try:
        return Path(path).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"STRONGROOM_TOKEN_FILE names {path}, which cannot be read.") from error
