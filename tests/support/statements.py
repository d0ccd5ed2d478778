"""Lets all engines of a test run share their compiled statements.

SQLAlchemy compiles a statement once for each engine. Tests open thousands of vaults, each with engines of its own, and
spent half of their time compiling. Every statement is still sent to its own database.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import sqlalchemy as sa

_compiled: dict[tuple[Any, ...], Any] = {}


class _Shared(MutableMapping[tuple[Any, ...], Any]):
    """A cache of compiled statements for an engine. Its keys use the engine's own dialect object."""

    def __getitem__(self, key: tuple[Any, ...]) -> Any:
        return _compiled[_common(key)]

    def __setitem__(self, key: tuple[Any, ...], statement: Any) -> None:
        _compiled[_common(key)] = statement

    def __delitem__(self, key: tuple[Any, ...]) -> None:
        del _compiled[_common(key)]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(_compiled)

    def __len__(self) -> int:
        return len(_compiled)


def _common(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect, *rest = key
    return (type(dialect), *rest)


@pytest.fixture(scope="session", autouse=True)
def statements_are_compiled_once() -> Iterator[None]:
    """Give every engine the shared cache."""
    make = sa.create_engine

    def create_engine(*arguments: Any, **options: Any) -> sa.Engine:
        return make(*arguments, **options, execution_options={"compiled_cache": _Shared()})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sa, "create_engine", create_engine)
        yield
