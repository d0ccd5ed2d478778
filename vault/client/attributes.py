"""Keyword arguments of the SDK's calls. Only what is given is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

from vault.model.environment import VariableType


class VariableAttributes(TypedDict, total=False):
    """The attributes of a variable besides its name and its value."""

    type: VariableType | Literal["default", "secret"]
    enabled: bool
    literal: bool
    description: str


class VariableChange(VariableAttributes, total=False):
    """The changes to a variable. A new one needs a value."""

    value: str


class NewEnvironmentAttributes(TypedDict, total=False):
    """The attributes of a new environment besides its name and its variables."""

    description: str
    max_versions: int
    bases: Sequence[str]


class EnvironmentChange(NewEnvironmentAttributes, total=False):
    """The changes to an environment."""

    name: str
    cas_required: bool
    delete_version_after_seconds: int
