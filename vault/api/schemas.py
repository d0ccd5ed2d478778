"""The shapes of what comes in and goes out (marshmallow); OpenAPI is made from them. Unknown fields are refused."""

from __future__ import annotations

import datetime
import ipaddress
import json
import unicodedata
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from vault.errors import InvalidInput
from vault.model import strict_json
from vault.model.environment import (
    DESCRIPTION_MAX_CHARACTERS,
    VARIABLES_MOST,
    VariableType,
    check_variable_name,
    normal,
)
from vault.model.grant import Permission
from vault.services.environments import MAX_VERSIONS_DEFAULT
from vault.services.tokens import DEFAULT_TTL_SECONDS, GRANTS_MAX

PAGE_DEFAULT = 50
PAGE_MOST = 200
_TEN_YEARS_SECONDS = 10 * 366 * 86_400

OPTIONS = {"description": "What the browser's `PublicKeyCredential.parse…OptionsFromJSON()` takes."}

REVISION_MOST = 2**63 - 1
"""What a database can hold; there are never as many."""

_DESCRIPTION = validate.Length(max=DESCRIPTION_MAX_CHARACTERS)


class Moment(fields.Field[Any]):
    """Microseconds since 1970 → RFC 3339 in UTC, as `2026-11-22T09:00:00Z`."""

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **_: Any) -> str | None:
        return moment(value)


def moment(us: int | None) -> str | None:
    """A time as RFC 3339 in UTC; microseconds only where they are not zero."""
    if us is None:
        return None
    start = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (start + datetime.timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")


class Text(fields.String):
    """A value: text as it is, and any other JSON value (which a Vault client wrote) as its JSON text."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **_: Any) -> str:
        return value if isinstance(value, str) else strict_json.dumps(value)


class Switch(fields.Boolean):
    """true or false, and nothing that only looks like it: Python takes 1 for True."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Reference(fields.String):
    """A name or an id to look for, in the form that names are stored in."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> str:
        text = normal(super()._deserialize(value, attr, data), path=attr or "")
        _one_line(text)
        return text


def _variable_name(text: str) -> None:
    try:
        check_variable_name(text)
    except InvalidInput as error:
        raise ValidationError(error.message) from error


def _one_line(text: str) -> None:
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValidationError("A name has no control characters.")


def _network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValidationError("This is no network, as 10.0.0.0/8 is one.") from error


class Page(Schema):
    """What every list takes."""

    cursor = fields.String(load_default=None, metadata={"description": "Where the page before has ended (its `next`)."})
    limit = fields.Integer(load_default=PAGE_DEFAULT, validate=validate.Range(1, PAGE_MOST))


class VariableSchema(Schema):
    """A variable with all its attributes."""

    name = fields.String(required=True, validate=_variable_name)
    value = Text(required=True)
    type = fields.Enum(VariableType, by_value=True, load_default=VariableType.DEFAULT)
    enabled = Switch(load_default=True)
    literal = Switch(load_default=False)
    description = fields.String(load_default="", validate=_DESCRIPTION)


class VariableBody(Schema):
    """A variable whose name is in the address."""

    value = fields.String(required=True)
    type = fields.Enum(VariableType, by_value=True, load_default=VariableType.DEFAULT)
    enabled = Switch(load_default=True)
    literal = Switch(load_default=False)
    description = fields.String(load_default="")


class AttributesBody(Schema):
    """The attributes of a variable that a merge sets; those that are absent stay."""

    value = fields.String()
    type = fields.Enum(VariableType, by_value=True)
    enabled = Switch()
    literal = Switch()
    description = fields.String()


_ATTRIBUTES = AttributesBody()
"""Made once: a schema takes longer to make than to use, and a merge may hold thousands."""


class Merged(fields.Field[Any]):
    """In a merge: text is a value, an object sets attributes, null removes."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> dict[str, Any]:
        if isinstance(value, str):
            return {"value": value}
        if not isinstance(value, dict):
            raise ValidationError("A variable is text, an object with its attributes, or null to remove it.")
        loaded: dict[str, Any] = _ATTRIBUTES.load(value)
        return loaded


class FewPairs(fields.Dict):
    """A mapping whose size is looked at before its items are."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        _refuse_many(value)
        return super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]  # it has no types


class FewItems(fields.List[Any]):
    """A list whose length is looked at before its items are."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        _refuse_many(value)
        return super()._deserialize(value, attr, data, **kwargs)


def _refuse_many(value: Any) -> None:
    if isinstance(value, list | dict) and len(value) > VARIABLES_MOST:
        raise ValidationError(f"An environment holds at most {VARIABLES_MOST} variables.")


class PatchVariablesBody(Schema):
    variables = FewPairs(
        fields.String(), Merged(allow_none=True), required=True,
        metadata={"description": "Name → text, an object with attributes, or null to remove it."},
    )  # fmt: skip


class PutVariablesBody(Schema):
    variables = FewItems(fields.Nested(VariableSchema), required=True)


class VariablesAnswer(Schema):
    variables = fields.List(fields.Nested(VariableSchema))
    revision = fields.Integer(allow_none=True)


class VariableAnswer(VariableSchema):
    revision = fields.Integer(allow_none=True)


class WrittenAnswer(Schema):
    revision = fields.Integer(allow_none=True)


class EnvironmentSchema(Schema):
    """An environment without its values."""

    id = fields.String()
    name = fields.String()
    kind = fields.String()
    sealing = fields.String()
    revision = fields.Integer(allow_none=True)
    description = fields.String()
    max_versions = fields.Integer()
    cas_required = fields.Boolean()
    delete_version_after_seconds = fields.Integer()
    created_at = Moment(attribute="created_us")
    updated_at = Moment(attribute="updated_us")
    deleted_at = Moment(attribute="deleted_us", allow_none=True)


class EnvironmentPage(Schema):
    items = fields.List(fields.Nested(EnvironmentSchema))
    next = fields.String(allow_none=True)


class EnvironmentQuery(Page):
    name = Reference(load_default=None)
    deleted = fields.Boolean(load_default=False)


class CreateEnvironmentBody(Schema):
    name = fields.String(required=True)
    description = fields.String(load_default="")
    max_versions = fields.Integer(load_default=MAX_VERSIONS_DEFAULT, strict=True)
    variables = FewItems(fields.Nested(VariableSchema), load_default=None)


class ChangeEnvironmentBody(Schema):
    name = fields.String()
    description = fields.String()
    max_versions = fields.Integer(strict=True)
    cas_required = Switch()
    delete_version_after_seconds = fields.Integer(strict=True)


class ChangeGlobalsBody(ChangeEnvironmentBody):
    class Meta:
        exclude = ("name",)


class UndeleteBody(Schema):
    name = fields.String(load_default=None)


class CopyBody(Schema):
    name = fields.String(required=True)


class RollbackBody(Schema):
    revision = fields.Integer(required=True, strict=True, validate=validate.Range(1, REVISION_MOST))


class RevisionSchema(Schema):
    """A revision without its variables."""

    id = fields.String()
    number = fields.Integer()
    created_at = Moment(attribute="created_us")
    created_by = fields.String()
    deletion_at = Moment(attribute="deletion_us", allow_none=True)
    destroyed = fields.Boolean()


class RevisionPage(Schema):
    items = fields.List(fields.Nested(RevisionSchema))
    next = fields.String(allow_none=True)


class RevisionAnswer(RevisionSchema):
    variables = fields.List(fields.Nested(VariableSchema))


class DiffQuery(Schema):
    against = fields.Integer(load_default=None, validate=validate.Range(0, REVISION_MOST))


class ChangeSchema(Schema):
    name = fields.String()
    kind = fields.String()
    before = fields.Nested(VariableSchema, allow_none=True)
    after = fields.Nested(VariableSchema, allow_none=True)


class DiffAnswer(Schema):
    from_ = fields.Integer(data_key="from")
    to = fields.Integer()
    changes = fields.List(fields.Nested(ChangeSchema))


class ValuesAnswer(Schema):
    values = fields.Dict(fields.String(), fields.String())
    warnings = fields.List(fields.String())
    revision = fields.Integer(allow_none=True)


class GrantBody(Schema):
    """Permissions on exactly one of an environment (by name or id), a path prefix, or the globals."""

    environment = Reference()
    environment_id = fields.String()
    path = fields.String()
    globals = Switch()
    permissions = fields.List(fields.Enum(Permission, by_value=True), required=True, validate=validate.Length(1))


class GrantSchema(Schema):
    environment_id = fields.String()
    path = fields.String()
    globals = fields.Boolean()
    permissions = fields.List(fields.String())


class TokenBody(Schema):
    name = fields.String(required=True, validate=[validate.Length(1, 256), _one_line])
    grants = fields.List(fields.Nested(GrantBody), required=True, validate=validate.Length(1, GRANTS_MAX))
    ttl_seconds = fields.Integer(
        load_default=DEFAULT_TTL_SECONDS, allow_none=True, strict=True, validate=validate.Range(1, _TEN_YEARS_SECONDS)
    )
    max_ttl_seconds = fields.Integer(
        load_default=None, allow_none=True, strict=True, validate=validate.Range(1, _TEN_YEARS_SECONDS)
    )
    renewable = Switch(load_default=False)
    uses = fields.Integer(load_default=None, allow_none=True, strict=True, validate=validate.Range(1, 1_000_000_000))
    networks = fields.List(fields.String(validate=_network), load_default=list, validate=validate.Length(max=64))
    metadata = fields.Dict(
        fields.String(validate=validate.Length(1, 128)),
        fields.String(validate=validate.Length(max=512)),
        load_default=dict,
        validate=validate.Length(max=64),
    )


class TokenSchema(Schema):
    """A token without its secret."""

    id = fields.String()
    accessor = fields.String()
    name = fields.String()
    grants = fields.List(fields.Nested(GrantSchema))
    parent_id = fields.String(allow_none=True)
    created_at = fields.String()
    expires_at = fields.String(allow_none=True)
    max_ttl_seconds = fields.Integer(allow_none=True)
    renewable = fields.Boolean()
    uses_left = fields.Integer(allow_none=True)
    networks = fields.List(fields.String())
    metadata = fields.Dict()
    last_used_at = fields.String(allow_none=True)


class TokenAnswer(TokenSchema):
    """A token with its secret, which is told this once."""

    secret = fields.String()


class TokenPage(Schema):
    items = fields.List(fields.Nested(TokenSchema))
    next = fields.String(allow_none=True)


class RotateBody(Schema):
    overlap_seconds = fields.Integer(load_default=0, strict=True)


class LoginBody(Schema):
    username = fields.String(required=True, validate=[validate.Length(max=1024), _one_line])
    password = fields.String(required=True)


class PasswordBody(Schema):
    password = fields.String(required=True)


class ChangePasswordBody(Schema):
    current_password = fields.String(required=True)
    new_password = fields.String(required=True)


class UserSchema(Schema):
    id = fields.String()
    username = fields.String(attribute="name")
    role = fields.String()
    created_at = Moment(attribute="created_us")


class RemainsSchema(Schema):
    """A place that still holds some of what was erased; `until` is null where nobody here can tell."""

    place = fields.String()
    until = Moment(attribute="until_us", allow_none=True)
    sentence = fields.String()


class ErasureAnswer(Schema):
    """What an erasure took, in numbers, and what remains where. Names are not among it."""

    user_id = fields.String()
    erased_at = Moment(attribute="erased_us")
    environments = fields.Integer()
    revisions = fields.Integer()
    user_keys = fields.Integer()
    data_keys = fields.Integer()
    sessions = fields.Integer()
    tokens = fields.Integer()
    audit_events = fields.Integer()
    remains = fields.List(fields.Nested(RemainsSchema))


class NewSessionAnswer(Schema):
    """A session with its secret, which is told this once."""

    id = fields.String(attribute="row.id")
    secret = fields.String()
    user = fields.Nested(UserSchema)
    created_at = Moment(attribute="row.created_us")
    expires_at = Moment(attribute="row.expires_us")
    idle_seconds = fields.Integer(attribute="row.idle_seconds")
    factors = fields.List(
        fields.String(), metadata={"description": "What was proven: password, totp, passkey, recovery."}
    )
    recovery_codes_left = fields.Integer(
        allow_none=True, metadata={"description": "Where it began with a recovery code, how many are left."}
    )


class SessionSchema(Schema):
    id = fields.String()
    kind = fields.String()
    created_at = Moment(attribute="created_us")
    last_seen_at = Moment(attribute="seen_us")
    expires_at = Moment(attribute="expires_us")
    address = fields.String()
    agent = fields.String()
    current = fields.Boolean()


class SessionPage(Schema):
    items = fields.List(fields.Nested(SessionSchema))
    next = fields.String(allow_none=True)


class ImportBody(Schema):
    environment = Reference(required=True, allow_none=True)
    format = fields.String(required=True)
    text = fields.String(required=True)
    mode = fields.String(load_default="merge", validate=validate.OneOf(["merge", "replace"]))
    dry_run = Switch(load_default=False)


class PlanSchema(Schema):
    added = fields.List(fields.String())
    changed = fields.List(fields.String())
    removed = fields.List(fields.String())
    unchanged = fields.List(fields.String())


class ImportAnswer(Schema):
    plan = fields.Nested(PlanSchema)
    revision = fields.Integer(allow_none=True)
    warnings = fields.List(fields.String())


class ExportQuery(Schema):
    format = fields.String(load_default="dotenv")
    strict = fields.Boolean(
        load_default=False, metadata={"description": "Refuse where the format cannot carry everything."}
    )


class ChallengeAnswer(Schema):
    """What is to be completed, until when, and with which kinds of factors."""

    id = fields.String()
    kinds = fields.List(fields.String(), metadata={"description": "Of totp, passkey and recovery."})
    expires_at = Moment(attribute="expires_us")
    passkey = fields.Dict(allow_none=True, metadata=OPTIONS)


class ProblemSchema(Schema):
    """An error, as RFC 9457 has it. `code` is stable and meant for programs."""

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    detail = fields.String()
    code = fields.String()
    path = fields.String(metadata={"description": "The field that is at fault."})
    challenge = fields.Nested(ChallengeAnswer, metadata={"description": "With second_factor_required: how to go on."})
    request_id = fields.String()


class MomentText(fields.Field[Any]):
    """RFC 3339 → microseconds since 1970."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> int:
        try:
            found = datetime.datetime.fromisoformat(str(value))
        except ValueError as error:
            raise ValidationError("This is no time, as 2026-11-22T09:00:00Z is one.") from error
        if found.tzinfo is None:
            raise ValidationError("A time says its zone, as Z.")
        return int((found - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) / datetime.timedelta(microseconds=1))


class AuditQuery(Page):
    """Which events are asked for."""

    user = fields.String(load_default=None, metadata={"description": "Whose trail: a username, or the id of a user."})
    actor = fields.String(load_default=None, metadata={"description": "As session:…, token:…, host:…"})
    action = fields.String(load_default=None)
    result = fields.String(load_default=None, metadata={"description": "ok, unchanged, or why it was refused."})
    environment_id = fields.UUID(load_default=None)
    since = MomentText(load_default=None)
    until = MomentText(load_default=None)
    variable = fields.String(
        load_default=None,
        metadata={"description": "A variable's name: what changed it, asked for it, or read all of what held it."},
    )


class Details(fields.Field[Any]):
    """The JSON object that an event keeps as text."""

    def _serialize(self, value: str | None, attr: str | None, obj: Any, **_: Any) -> Any:
        return json.loads(value) if value else {}


class OwnAuditSchema(Schema):
    """An event of one's own trail. Where somebody else acted, their address is not told."""

    id = fields.String()
    at = Moment(attribute="at_us")
    action = fields.String()
    result = fields.String()
    actor = fields.String()
    environment_id = fields.String(allow_none=True)
    revision = fields.Integer(allow_none=True)
    address = fields.String()
    request_id = fields.String()
    details = Details()


class OwnAuditPage(Schema):
    items = fields.List(fields.Nested(OwnAuditSchema))
    next = fields.String(allow_none=True)


class AuditSchema(OwnAuditSchema):
    """An event as operators see it."""

    sequence = fields.Integer(allow_none=True)
    user_id = fields.String(allow_none=True)
    actor_id = fields.String(allow_none=True)


class AuditPage(Schema):
    items = fields.List(fields.Nested(AuditSchema))
    next = fields.String(allow_none=True)
