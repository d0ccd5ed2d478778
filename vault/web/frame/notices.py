"""Sentences about the last step, shown on the next page. The URL contains only a word for the sentence."""

from __future__ import annotations

_SENTENCES = {
    "logged-out": "You are logged out.",
    "created": "The environment is created.",
    "saved": "Saved.",
    "none-chosen": "Nothing was selected, so nothing was deleted.",
    "changed": "The settings are saved.",
    "imported": "The file is imported.",
    "rolled-back": "The older revision is restored, as a new revision.",
    "copied": "The copy is created.",
    "deleted": "The environment is deleted. You can restore it until it is purged.",
    "undeleted": "The environment is restored.",
    "token-made-before": "This form was sent before: the token is here, and its secret was shown then. "
    "Rotate it if you have missed it.",
    "token-rotated-before": "This form was sent before: the new secret was shown then. Rotate again if you have missed "
    "it.",
    "token-revoked": "The token is revoked, with all tokens that it made.",
    "session-ended": "The session has ended.",
    "sessions-ended": "Your other sessions have ended.",
    "password-changed": "Your password is changed. Your other sessions have ended.",
    "account-gone": "Your account is deleted, with everything in it.",
    "codes-before": "This form was sent before: the new codes were shown then. Make new ones if you have missed them.",
    "factor-added": "The second factor is added.",
    "factor-removed": "The second factor is removed.",
    "enrolment-over": "That step was finished before, or it took too long. If something is missing below, start again.",
    "recovery-used": "You have used a recovery code to log in. It does not work again. See below how many are left.",
    "key-rotated": "A new version is active. Rewrap what the older ones hold.",
    "key-rewrapping": "Some user keys are rewrapped, and some are left. Continue.",
    "key-rewrapped": "Every user key is under the active version.",
    "key-broken": "Some user keys cannot be opened. Run strongroom keys rewrap on the host to see which.",
    "key-retired": "The version is retired.",
    "key-restored": "The version is enabled again.",
    "person-changed": "The account is changed.",
}


def sentence(word: str) -> str:
    """Return the sentence for a word, or an empty text for an unknown word."""
    return _SENTENCES.get(word, "")
