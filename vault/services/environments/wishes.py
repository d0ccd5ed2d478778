"""What a caller wishes to change of an environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Wishes: TypeAlias = Mapping[str, Any]  # type: ignore[explicit-any]  # Each wish has a type of its own.
"""Changes by name: of the name, the description, the rules and the custom metadata. A service checks each value."""
