"""Schemas of environments."""

from __future__ import annotations

from typing import Unpack

from marshmallow import Schema, fields

from vault.api.schemas.bounded import Body, BoundedList, BoundedText, Options, WholeNumber
from vault.api.schemas.parts import NAME_MOST, Moment, Page, Reference, Switch
from vault.api.schemas.variables import VariableSchema
from vault.model.bases import BASES_MOST
from vault.model.environment import DESCRIPTION_MAX_CHARACTERS, VARIABLES_MOST
from vault.services.environments.rules import DELETE_AFTER_MOST_SECONDS, MAX_VERSIONS_DEFAULT, MAX_VERSIONS_MOST


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
    bases = fields.List(fields.String())
    deleted_at = Moment(attribute="deleted_us", allow_none=True)


class EnvironmentPage(Schema):
    items = fields.List(fields.Nested(EnvironmentSchema))
    next = fields.String(allow_none=True)


class EnvironmentQuery(Page):
    name = Reference(load_default=None)
    deleted = fields.Boolean(load_default=False)


class BaseList(BoundedList[str]):
    """Environments by name or id, the lowest first."""

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__(Reference(), most=BASES_MOST, **options)


class CreateEnvironmentBody(Body):
    name = BoundedText(most=NAME_MOST, required=True)
    description = BoundedText(most=DESCRIPTION_MAX_CHARACTERS, load_default="")
    max_versions = WholeNumber(least=1, most=MAX_VERSIONS_MOST, load_default=MAX_VERSIONS_DEFAULT)
    bases = BaseList(load_default=())
    variables = BoundedList(fields.Nested(VariableSchema), most=VARIABLES_MOST, load_default=None)


class ChangeEnvironmentBody(Body):
    name = BoundedText(most=NAME_MOST)
    description = BoundedText(most=DESCRIPTION_MAX_CHARACTERS)
    max_versions = WholeNumber(least=1, most=MAX_VERSIONS_MOST)
    cas_required = Switch()
    bases = BaseList()
    delete_version_after_seconds = WholeNumber(most=DELETE_AFTER_MOST_SECONDS)


class ChangeGlobalsBody(ChangeEnvironmentBody):
    class Meta:
        exclude = ("name", "bases")


class UndeleteBody(Body):
    name = BoundedText(most=NAME_MOST, load_default=None)


class CopyBody(Body):
    name = BoundedText(most=NAME_MOST, required=True)
