"""What the last step has done, told on the next page. The address holds a word, never the sentence itself."""

from __future__ import annotations

_SENTENCES = {
    "logged-out": "You are logged out.",
    "created": "The environment is there.",
    "saved": "Saved.",
    "none-chosen": "Nothing was chosen, so nothing was deleted.",
    "changed": "The settings are saved.",
    "imported": "The file is imported.",
    "rolled-back": "The older revision is back, as a new one.",
    "copied": "The copy is there.",
    "deleted": "The environment is deleted. Until it is purged, it can be brought back.",
    "undeleted": "The environment is back.",
    "token-made-before": "This form was sent before: the token is here, and its secret was shown then. "
    "Rotate it if you have missed it.",
    "token-rotated-before": "This form was sent before: the new secret was shown then. Rotate again if you have missed "
    "it.",
    "token-revoked": "The token is revoked, and all that it has made.",
    "session-ended": "The session is ended.",
    "sessions-ended": "Your other sessions are ended.",
    "password-changed": "Your password is changed. Your other sessions are ended.",
    "account-gone": "Your account is deleted, with all that was in it.",
    "codes-before": "This form was sent before: the new codes were shown then. Make new ones if you have missed them.",
    "factor-added": "The second factor is added.",
    "factor-removed": "The second factor is removed.",
    "enrolment-over": "That step is over: begin it again where something is missing below.",
    "recovery-used": "You are logged in with a recovery code, which is spent now. See below how many are left.",
    "key-rotated": "A new version is active. Rewrap what the older ones hold.",
    "key-rewrapping": "Some are rewrapped, and some are left: go on.",
    "key-rewrapped": "Every user key is under the active version.",
    "key-broken": "Some user keys do not open: strongroom keys rewrap names them, on the host.",
    "key-retired": "The version is retired.",
    "key-restored": "The version is enabled again.",
    "person-changed": "The account is changed.",
}


def sentence(word: str) -> str:
    """The sentence that a word stands for; nothing for a word that is none of ours."""
    return _SENTENCES.get(word, "")
