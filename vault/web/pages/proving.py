"""What logging in and stepping up share: where a visit comes from, the second step's page, and the session's cookie."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from flask import Response, jsonify

from vault.auth import COOKIE
from vault.errors import BadLogin, BadSecondFactor, InvalidInput, SecondFactorRequired, TooManyRequests
from vault.http import budget
from vault.model.strict_json import parse_json
from vault.services.people.factors import Challenge
from vault.services.people.logins import Proof
from vault.services.people.sessions import NewSession
from vault.web.frame import request as pages
from vault.web.frame.problems import refused

NOT_LET_IN = (BadLogin, TooManyRequests, SecondFactorRequired)
"""Why a password leads nowhere: it is wrong, it comes too often, or the account lacks its second factor."""
KINDS = ("totp", "passkey", "recovery")
_PATH = re.compile(r"/(?![/\\])[\x21-\x7e]*")


@dataclass(frozen=True, slots=True)
class Step:
    """The second step, as its page holds it: nothing in it has authority, the challenge alone has."""

    challenge: str
    kinds: tuple[str, ...]
    wanted: str
    options: str = field(default="", repr=False)
    """What the browser needs to ask for a passkey, as JSON."""

    @classmethod
    def asked(cls, challenge: Challenge, wanted: str) -> Step:
        """The step that a challenge asks for."""
        options = json.dumps(challenge.passkey) if challenge.passkey else ""
        return cls(challenge.id, challenge.kinds, wanted, options)

    @classmethod
    def sent(cls) -> Step:
        """What the page of the second step has sent back."""
        kinds = tuple(kind for kind in KINDS if kind in pages.field("kinds").split())
        return cls(pages.field("challenge"), kinds, local(pages.field("next")), pages.field("options"))


def after_password(begun: NewSession | Challenge, wanted: str, path: str) -> Response:
    """Go on after a right password: with the session, or with the second step."""
    if isinstance(begun, NewSession):
        return proven(begun, wanted)
    return second_page(Step.asked(begun, wanted), path)


def second_page(step: Step, path: str, error: BadSecondFactor | InvalidInput | None = None) -> Response:
    """The page of the second step; `path` is where one begins anew."""
    status, sentence = 200, ""
    if error is not None:
        status, sentence = refused(error), error.message
    return pages.render("second.html", status, step=step, action=f"{path}/second", again=path, error=sentence)


def proof() -> Proof:
    """What completes the challenge. Raises `InvalidInput`."""
    passkey = passkey_sent() if pages.field("passkey") else None
    return Proof(pages.field("code").replace(" ", ""), pages.field("recovery_code").strip(), passkey)


def passkey_sent() -> dict[str, Any]:
    """What the browser has said of a passkey. Raises `InvalidInput`."""
    found = parse_json(pages.field("passkey").encode(), budget().json_items)
    if not isinstance(found, dict):
        raise InvalidInput("This is no passkey's answer.", path="passkey")
    return found


def told_to_script(challenge: Challenge) -> Response:
    """A challenge for a passkey, for the script that asks the browser for one."""
    return jsonify({"id": challenge.id, "options": challenge.passkey})


def proven(session: NewSession, wanted: str) -> Response:
    """Go on with a new session. Whoever has spent a recovery code is told where the others are counted."""
    response = pages.see("/security", "recovery-used") if session.recovery_codes_left is not None else pages.see(wanted)
    return with_session(response, session)


def with_session(response: Response, session: NewSession) -> Response:
    """The answer, with the cookie of a session that has just begun."""
    # The cookie goes with the browser; how long it counts, the server decides.
    response.set_cookie(COOKIE, session.secret, secure=True, httponly=True, samesite="Strict")
    return response


def forgotten(response: Response) -> Response:
    """Have the browser forget the site, with all that it has kept of it."""
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="Strict")
    # Not "cookies": that would take those of everything else on this host with it, at any port.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def local(path: str) -> str:
    """A path of this site; the first page for whatever could lead elsewhere."""
    return path if _PATH.fullmatch(path) else "/"
