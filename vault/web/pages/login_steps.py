"""What login and step-up share: the page of the second step, and the session's cookie."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from flask import Response, jsonify

from vault.errors import BadLogin, BadSecondFactor, InvalidInput, SecondFactorRequired, TooManyRequests
from vault.http import budget
from vault.model.clock import SECOND_US
from vault.model.credential_headers import DEVICE_COOKIE, SESSION_COOKIE
from vault.model.json_types import JsonObject
from vault.model.strict_json import parse_json
from vault.services.people.devices import DEVICE_LIFE_US
from vault.services.people.factors import Challenge, FactorKind
from vault.services.people.logins import Proof
from vault.services.people.sessions import NewSession
from vault.web.frame import request as pages
from vault.web.frame.problems import refused

NOT_LET_IN = (BadLogin, TooManyRequests, SecondFactorRequired)
"""Why a password is refused: it is wrong, there were too many tries, or the account lacks a required second factor."""
_PATH = re.compile(r"/(?![/\\])[\x21-\x7e]*")


@dataclass(frozen=True, slots=True)
class Step:
    """The fields of the second step's page. They grant nothing: only the stored challenge counts."""

    challenge: str
    kinds: tuple[str, ...]
    wanted: str
    options: str = field(default="", repr=False)
    """What the browser needs to ask for a passkey, as JSON."""

    @classmethod
    def asked(cls, challenge: Challenge, wanted: str) -> Step:
        """Return the step that a challenge asks for."""
        options = json.dumps(challenge.passkey) if challenge.passkey else ""
        return cls(challenge.id, challenge.kinds, wanted, options)

    @classmethod
    def sent(cls) -> Step:
        """Return the step in the form that was sent."""
        kinds = tuple(str(kind) for kind in FactorKind if kind in pages.field("kinds").split())
        return cls(pages.field("challenge"), kinds, local(pages.field("next")), pages.field("options"))


def after_password(begun: NewSession | Challenge, wanted: str, path: str) -> Response:
    """Continue after a correct password, with the session or with the second step."""
    if isinstance(begun, NewSession):
        return proven(begun, wanted)
    return second_page(Step.asked(begun, wanted), path)


def second_page(step: Step, path: str, error: BadSecondFactor | InvalidInput | None = None) -> Response:
    """Return the page of the second step. `path` is where a person starts again."""
    status, sentence = 200, ""
    if error is not None:
        status, sentence = refused(error), error.message
    return pages.render("second.html", status, step=step, action=f"{path}/second", again=path, error=sentence)


def proof() -> Proof:
    """Return the proof for the challenge. Raises `InvalidInput`."""
    passkey = passkey_sent() if pages.field("passkey") else None
    return Proof(pages.field("code").strip(), pages.field("recovery_code").strip(), passkey)


def passkey_sent() -> JsonObject:
    """Return the browser's passkey credential. Raises `InvalidInput`."""
    found = parse_json(pages.field("passkey").encode(), budget().json_items)
    if not isinstance(found, dict):
        raise InvalidInput("This is not a passkey's answer.", path="passkey")
    return found


def told_to_script(challenge: Challenge) -> Response:
    """Return a passkey challenge, for our script."""
    return jsonify({"id": challenge.id, "options": challenge.passkey})


def proven(session: NewSession, wanted: str) -> Response:
    """Continue with a new session. After a login with a recovery code, show the page that counts the codes."""
    response = pages.see("/security", "recovery-used") if session.recovery_codes_left is not None else pages.see(wanted)
    return with_session(response, session)


def with_session(response: Response, session: NewSession) -> Response:
    """Return the answer with the cookies of a new session and of this browser."""
    # A session cookie ends with the browser. The server decides how long the session is valid.
    response.set_cookie(SESSION_COOKIE, session.secret, secure=True, httponly=True, samesite="Strict")
    life_seconds = DEVICE_LIFE_US // SECOND_US
    response.set_cookie(
        DEVICE_COOKIE, session.device, max_age=life_seconds, secure=True, httponly=True, samesite="Strict"
    )
    return response


def forgotten(response: Response) -> Response:
    """Make the browser delete what it stored for the site, except the cookie that vouches for the person."""
    response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="Strict")
    # Leave out "cookies": it would also delete the cookies of other sites on this host, at any port.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def local(path: str) -> str:
    """Return a path of this site, or the first page for a path that could lead elsewhere."""
    return path if _PATH.fullmatch(path) else "/"
