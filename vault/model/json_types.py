"""The types of JSON values, as they are parsed and as they are built."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

# Any JSON value. Its arrays and objects are read-only to the type checker, so that a `dict[str, int]` is one too.
Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"

# A JSON object that was just parsed, or that is being built.
JsonObject: TypeAlias = dict[str, Json]
