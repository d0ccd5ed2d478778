"""Sentences about the last step, shown on the next page. The URL contains only a word for the sentence."""

from __future__ import annotations

from vault.model.names import mixed_scripts

_ALIKE = "Its name mixes letters of different scripts, which can look alike: another name can look the same."

_SENTENCES = {
    "logged-out": "You are logged out.",
    "created": "The environment was created.",
    "created-alike": f"The environment was created. {_ALIKE}",
    "saved": "Saved.",
    "saved-odd": "Saved. Shells and some exports leave out the new name. They take letters, digits and _, without a "
    "digit at the start, but no name that shells use themselves.",
    "none-chosen": "Nothing was selected, so nothing was deleted.",
    "changed": "The settings were saved.",
    "changed-alike": f"The settings were saved. {_ALIKE}",
    "imported": "The file was imported.",
    "rolled-back": "The older revision was restored as a new revision.",
    "copied": "The copy was created.",
    "copied-alike": f"The copy was created. {_ALIKE}",
    "deleted": "The environment was deleted. You can restore it until it is purged.",
    "deleted-base": "The environment was deleted. You can restore it until it is purged. "
    "Other environments have it as a base, and their values lack what came from it until you restore it.",
    "undeleted": "The environment was restored.",
    "token-made-before": "This form was already sent. The token exists, and its secret was shown then. "
    "Rotate the token if you did not see it.",
    "token-rotated-before": "This form was already sent, and the new secret was shown then. "
    "Rotate again if you did not see it.",
    "token-revoked": "The token was revoked, with all tokens that it made.",
    "session-ended": "The session has ended.",
    "sessions-ended": "Your other sessions have ended.",
    "tokens-ended": "The tokens have ended, with all tokens that they made.",
    "no-tokens-ended": "No token was selected, so none has ended.",
    "password-changed": "Your password was changed. Your other sessions have ended.",
    "password-due": "Somebody else has set your password. Choose a new one to go on.",
    "factor-due": "This vault demands a second factor. Add one below to go on.",
    "account-gone": "Your account was deleted, with everything in it.",
    "codes-before": "This form was already sent, and the new codes were shown then. "
    "If you did not see them, make new ones.",
    "factor-added": "The second factor was added.",
    "factor-removed": "The second factor was removed.",
    "enrolment-over": "That step was already finished, or it took too long. "
    "If something is missing below, start again.",
    "recovery-used": "You have used a recovery code to log in. It does not work again. See below how many are left.",
    "key-rotated": "A new version is active. Rewrap the keys of the older ones.",
    "key-rewrapping": "Some user keys were rewrapped, and some are left. Continue.",
    "key-rewrapped": "The active version now wraps every user key.",
    "key-broken": "Some user keys cannot be opened. Run strongroom keys rewrap on the host to see which.",
    "key-retired": "The version was retired.",
    "key-restored": "The version was enabled again.",
    "person-changed": "The account was changed.",
}


def of_name(word: str, name: str) -> str:
    """Return the word for what was done with an environment. Its sentence warns of a name with letters that can look
    alike.
    """
    return f"{word}-alike" if mixed_scripts(name) else word


def sentence(word: str) -> str:
    """Return the sentence for a word, or an empty text for an unknown word."""
    return _SENTENCES.get(word, "")
