"""Changes to an environment that a caller asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Wishes: TypeAlias = Mapping[str, Any]  # type: ignore[explicit-any]  # Each wish has a type of its own.
"""Changes to the name, the description, the rules and the custom metadata, by field. A service checks each value."""
