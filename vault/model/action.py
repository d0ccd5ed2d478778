"""`Action`: everything that the audit records, each with its words for people.

A name is stored in events and is part of their leaves, so it never changes; its words may. To add an action, add a
member here and record it. `tests/unit/model/test_action.py` fails for a member that nothing records, and mypy refuses
to record a name that is not a member.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Action(StrEnum):
    """What was done. The value is the name that is stored."""

    words: str
    """What was done in words for people: a short clause without a full stop."""

    def __new__(cls, name: str, words: str) -> Self:
        member = str.__new__(cls, name)
        member._value_ = name
        member.words = words
        return member

    ANSWER_REPLAY = "answer.replay", "A stored answer was sent again"
    AUDIT_EXPORT = "audit.export", "Audit exported"
    AUDIT_PRUNE = "audit.prune", "Old audit events pruned"
    AUDIT_READ = "audit.read", "Activity viewed"
    AUDIT_SEARCH = "audit.search", "Audit searched"
    BACKUP_CREATE = "backup.create", "Backup created"
    BACKUP_DROP = "backup.drop", "Erased data erased again after a restore"
    BACKUP_RESTORE = "backup.restore", "Vault restored from a backup"
    CHANGES_FOLLOW = "changes.follow", "Changes followed"
    DEFAULTS_CHANGE = "defaults.change", "Defaults of new environments changed"
    ENVIRONMENT_BASES = "environment.bases", "Bases of an environment changed"
    ENVIRONMENT_CHANGE = "environment.change", "Environment changed"
    ENVIRONMENT_COPY = "environment.copy", "Environment copied"
    ENVIRONMENT_CREATE = "environment.create", "Environment created"
    ENVIRONMENT_DELETE = "environment.delete", "Environment deleted"
    ENVIRONMENT_ERASE = "environment.erase", "Environment erased"
    ENVIRONMENT_LIST = "environment.list", "Environments listed"
    ENVIRONMENT_PURGE = "environment.purge", "Deleted environments purged"
    ENVIRONMENT_READ = "environment.read", "Environment viewed"
    ENVIRONMENT_UNDELETE = "environment.undelete", "Environment undeleted"
    EXPORT = "export", "Variables exported"
    FACTOR_ADD = "factor.add", "Second factor added"
    FACTOR_MISSING = "factor.missing", "A second factor was asked for, and none is stored"
    FACTOR_RECOVERY = "factor.recovery", "Recovery code used"
    FACTOR_RECOVERY_CODES = "factor.recovery_codes", "New recovery codes"
    FACTOR_REFUSED = "factor.refused", "Second factor refused"
    FACTOR_REMOVE = "factor.remove", "Second factor removed"
    FACTOR_RESET = "factor.reset", "Second factors reset by an operator"
    IMPORT_PLAN = "import.plan", "Import planned"
    KEYS_DESTROY = "keys.destroy", "Master key version destroyed"
    KEYS_DESTROYED = "keys.destroyed", "Master key version destroyed at its provider"
    KEYS_DROP = "keys.drop", "Retired keys or secrets deleted"
    KEYS_PREPARE = "keys.prepare", "Master key version prepared"
    KEYS_PREPARE_SECRETS = "keys.prepare_secrets", "New secrets of the vault prepared"
    KEYS_PREPARE_SYSTEM = "keys.prepare_system", "New system key prepared"
    KEYS_REFUSE = "keys.refuse", "Old keys refused"
    KEYS_RESEAL = "keys.reseal", "Stored data sealed again under a new key"
    KEYS_RESEAL_BEGIN = "keys.reseal_begin", "Reseal started"
    KEYS_RESEAL_END = "keys.reseal_end", "Reseal ended"
    KEYS_RESTORE = "keys.restore", "Master key version enabled again"
    KEYS_RETIRE = "keys.retire", "Master key version retired"
    KEYS_REWRAP = "keys.rewrap", "User keys rewrapped"
    KEYS_ROTATE = "keys.rotate", "Master key rotated"
    KEYS_ROTATE_DATA = "keys.rotate_data", "Data key rotated"
    KEYS_ROTATE_SECRETS = "keys.rotate_secrets", "Secrets of the vault rotated"
    KEYS_ROTATE_SYSTEM = "keys.rotate_system", "System key rotated"
    KEYS_ROTATE_USER = "keys.rotate_user", "User key rotated"
    KEYS_SIGN = "keys.sign", "Rows signed again"
    PASSWORD_CHANGE = "password.change", "Password changed"
    PASSWORD_REHASH = "password.rehash", "Password hashed again with the current settings"
    REFUSED = "refused", "Refused"
    """Every call that was turned away; the event's result says why, its details which call it was."""

    REVISION_COMPARE = "revision.compare", "Revisions compared, without their values"
    REVISION_DELETE = "revision.delete", "Revision deleted"
    REVISION_DESTROY = "revision.destroy", "Revision destroyed"
    REVISION_EXPIRE = "revision.expire", "Deletion time of a revision passed"
    REVISION_LIST = "revision.list", "History listed"
    REVISION_READ = "revision.read", "Revision read"
    REVISION_UNCHANGED = "revision.unchanged", "Saved without a change"
    REVISION_UNDELETE = "revision.undelete", "Revision undeleted"
    REVISION_WRITE = "revision.write", "Variables saved"
    SCHEMA_OPEN_FORMATS = "schema.open_formats", "Row formats of a new release opened"
    SCHEMA_UPGRADE = "schema.upgrade", "Database schema upgraded"
    SESSION_BEGIN = "session.begin", "Logged in"
    SESSION_CHALLENGE = "session.challenge", "Password right, second factor asked for"
    SESSION_REVOKE = "session.revoke", "Session ended"
    SESSION_REVOKE_ALL = "session.revoke_all", "All sessions ended, or all others"
    TOKEN_CREATE = "token.create", "Token created"
    TOKEN_LIST = "token.list", "Tokens listed"
    TOKEN_RENEW = "token.renew", "Token renewed"
    TOKEN_REVOKE = "token.revoke", "Token revoked"
    TOKEN_ROTATE = "token.rotate", "Secret of a token rotated"
    USER_ADD = "user.add", "Account created"
    USER_DISABLE = "user.disable", "Account disabled"
    USER_ENABLE = "user.enable", "Account enabled"
    USER_ERASE = "user.erase", "Account erased"
    """The only action that explains why a person's events have lost their salt. A prune keeps these events."""

    USER_LIST = "user.list", "Accounts listed"
    USER_PASSWORD = "user.password", "Password set by an operator"
    USER_READ = "user.read", "Account looked at"
    USER_ROLE = "user.role", "Role changed"
    VALUES_READ = "values.read", "Values read"
    VARIABLES_LIST = "variables.list", "Names of variables shown"
    VARIABLES_READ = "variables.read", "Variables read"
    VAULT_CREATE = "vault.create", "Vault made"
    VAULT_LOCK = "vault.lock", "Vault locked"
    VAULT_UNLOCK = "vault.unlock", "Vault unlocked"
    VERSION_READ = "version.read", "Values read"
    WRAPPING_UNWRAP = "wrapping.unwrap", "Wrapped answer opened"
    WRAPPING_WRAP = "wrapping.wrap", "Answer wrapped"


_WORDS: dict[str, str] = {action: action.words for action in Action}


def words_of(action: str) -> str:
    """Return the words for a stored action, or its name if it is a newer release's and this one has no words for it."""
    return _WORDS.get(action, action)
