"""Errors of a missing, invalid or insufficient credential."""

from __future__ import annotations

from collections.abc import Mapping

from vault.errors.base import StrongroomError


class NotAuthenticated(StrongroomError):
    """There is no credential, or it is not valid. Every cause looks the same."""

    code = "not_authenticated"
    sentence = "A valid credential is needed."


class BadLogin(NotAuthenticated):
    """The name or the password is wrong. Every cause looks the same."""

    code = "bad_login"
    sentence = "The username or the password is wrong."


class SecondFactorRequired(NotAuthenticated):
    """The password was right, and the account has a second factor. `challenge_id` continues the login.

    `kinds` are the accepted factors ("totp", "passkey", "recovery"), until `expires_us`. `passkey` is what a browser
    needs to ask for one. Without a `challenge_id`, the login cannot be continued.
    """

    code = "second_factor_required"
    sentence = "This account needs a second factor."

    # It has fields of its own instead of a challenge: errors know no class of the services, and the SDK makes it too.
    def __init__(
        self,
        message: str | None = None,
        *,
        challenge_id: str = "",
        kinds: tuple[str, ...] = (),
        expires_us: int = 0,
        passkey: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.challenge_id = challenge_id
        self.kinds = kinds
        self.expires_us = expires_us
        self.passkey = passkey


class BadSecondFactor(NotAuthenticated):
    """The second factor is wrong or used, or the challenge is unknown, expired or another's. Every cause looks the
    same.
    """

    code = "bad_second_factor"
    sentence = (
        "The second factor was not accepted. Try again; a code works only once, so wait for a new one. "
        "After a few attempts or minutes, start the login again."
    )


class Forbidden(StrongroomError):
    """The credential is valid, but its kind may not make this call."""

    code = "forbidden"
    sentence = "This credential may not make this call."


class PasswordChangeRequired(Forbidden):
    """Somebody else has set the password of this operator, who must change it before any other call."""

    code = "password_change_required"
    sentence = (
        "Somebody else has set your password. Change it first, on the page Security or with PUT /api/v1/me/password."
    )


class FactorSetupRequired(Forbidden):
    """This vault demands a second factor, and the account has none. It must be added before any other call."""

    code = "factor_setup_required"
    sentence = "This vault demands a second factor. Add one first, on the page Security or with /api/v1/me/factors."


class StepUpRequired(Forbidden):
    """The session is valid, but this call needs a more recent proof of identity, with all factors."""

    code = "step_up_required"
    sentence = "Confirm your identity first, with your password and your second factor if you have one."
