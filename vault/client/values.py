"""`Values`: what a service gets of an environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from vault.client.reading import read_member, read_number_or_none, read_object, read_text_map, read_texts
from vault.model.json_types import Json


class Values(Mapping[str, str]):
    """The values for a service: an immutable `{name: value}`.

    `warnings` are about references that did not resolve. `globals_warnings` are those of them that are only about
    globals, which the environment itself does not use. `revision` is the environment's. `repr` hides the values.
    """

    __slots__ = ("_values", "globals_warnings", "revision", "warnings")

    def __init__(
        self,
        values: Mapping[str, str],
        *,
        warnings: Sequence[str] = (),
        globals_warnings: Sequence[str] = (),
        revision: int | None = None,
    ) -> None:
        self._values = dict(values)
        self.warnings = tuple(warnings)
        self.globals_warnings = tuple(globals_warnings)
        self.revision = revision

    @classmethod
    def from_json(cls, data: Json) -> Values:
        """Read the answer of a `values` call."""
        return cls(
            read_text_map(read_member(data, "values")),
            warnings=read_texts(read_member(data, "warnings")),
            # Servers up to 0.2.0 do not tell them apart.
            globals_warnings=read_texts(read_object(data).get("globals_warnings", [])),
            revision=read_number_or_none(read_member(data, "revision")),
        )

    def only(self, names: Sequence[str]) -> Values:
        """Return the same values, with only these names. As they are asked for, all warnings count."""
        kept = {name: self._values[name] for name in names if name in self._values}
        return Values(kept, warnings=self.warnings, revision=self.revision)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Values(names={list(self._values)!r}, revision={self.revision!r})"
