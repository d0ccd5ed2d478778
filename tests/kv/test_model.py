"""Random sequences of calls: this face against a plain model, and against our own face over the same data."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import Caller, Vault
from tests.kv.conftest import Kv, kv_of

PATHS = ("a", "a/b")
MERGE = {"Content_Type": "application/merge-patch+json"}


# -- The plain model: KV version 2 as its documentation has it, in dicts --


@dataclass
class _Version:
    values: dict[str, Any] | None
    deleted: bool = False

    @property
    def status(self) -> int:
        return 404 if self.deleted or self.values is None else 200


@dataclass
class _Path:
    versions: dict[int, _Version] = field(default_factory=dict)
    current: int = 0
    max_versions: int = 100
    cas_required: bool = False
    custom: dict[str, str] = field(default_factory=dict)

    def trim(self) -> None:
        self.versions = {n: v for n, v in self.versions.items() if n > self.current - self.max_versions}


class Model:
    """What a KV store answers: a status, and the data that matters."""

    def __init__(self) -> None:
        self.paths: dict[str, _Path] = {}

    def write(self, path: str, values: dict[str, Any], cas: int | None) -> tuple[int, Any]:
        found = self.paths.get(path, _Path())
        if (cas is None and found.cas_required) or (cas is not None and cas != found.current):
            return 400, None
        self.paths[path] = found
        found.current += 1
        found.versions[found.current] = _Version(json.loads(json.dumps(values)))
        found.trim()
        return 200, found.current

    def patch(self, path: str, patch: dict[str, Any], cas: int | None) -> tuple[int, Any]:
        found = self.paths.get(path)
        if found is None:
            return 404, None
        if (cas is None and found.cas_required) or (cas is not None and cas != found.current):
            return 400, None
        version = found.versions.get(found.current)
        if version is None or version.status == 404 or version.values is None:
            return 404, None
        return self.write(path, _merge(version.values, patch), cas)

    def read(self, path: str, number: int) -> tuple[int, Any]:
        found = self.paths.get(path, _Path())
        version = found.versions.get(number or found.current)
        if version is None:
            return 404, None
        shown = version.values if version.status == 200 else None
        return version.status, [number or found.current, shown, version.values is None]

    def delete(self, path: str, numbers: list[int] | None) -> tuple[int, Any]:
        for version in self._chosen(path, numbers):
            version.deleted = version.deleted or version.values is not None
        return 204, None

    def undelete(self, path: str, numbers: list[int]) -> tuple[int, Any]:
        for version in self._chosen(path, numbers):
            version.deleted = False
        return 204, None

    def destroy(self, path: str, numbers: list[int]) -> tuple[int, Any]:
        for version in self._chosen(path, numbers):
            version.values = None
        return 204, None

    def tell(self, path: str, max_versions: int, cas_required: bool, custom: dict[str, str]) -> tuple[int, Any]:
        found = self.paths.setdefault(path, _Path())
        found.max_versions, found.cas_required, found.custom = max_versions, cas_required, custom
        found.trim()
        return 204, None

    def told(self, path: str) -> tuple[int, Any]:
        found = self.paths.get(path)
        if found is None:
            return 404, None
        numbers = {str(number): version.values is None for number, version in found.versions.items()}
        return 200, [found.current, numbers, found.max_versions, found.cas_required, found.custom or None]

    def erase(self, path: str) -> tuple[int, Any]:
        self.paths.pop(path, None)
        return 204, None

    def names(self, folder: str) -> tuple[int, Any]:
        prefix = f"{folder}/" if folder else ""
        below = [path[len(prefix) :] for path in self.paths if path.startswith(prefix)]
        keys = sorted({first + slash for first, slash, _ in (path.partition("/") for path in below)})
        return (200, keys) if keys else (404, None)

    def _chosen(self, path: str, numbers: list[int] | None) -> list[_Version]:
        found = self.paths.get(path, _Path())
        wanted = [found.current] if numbers is None else numbers
        return [version for number, version in found.versions.items() if number in wanted]


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge(result.get(name), value)
    return result


class Face:
    """The same questions, asked of the server."""

    def __init__(self, kv: Kv) -> None:
        self._kv = kv

    def write(self, path: str, values: dict[str, Any], cas: int | None) -> tuple[int, Any]:
        answer = self._kv.put(path, values, cas)
        return answer.status, answer.data["version"] if answer.status == 200 else None

    def patch(self, path: str, patch: dict[str, Any], cas: int | None) -> tuple[int, Any]:
        body = {"data": patch, "options": {} if cas is None else {"cas": cas}}
        answer = self._kv("PATCH", f"secret/data/{path}", body, **MERGE)
        return answer.status, answer.data["version"] if answer.status == 200 else None

    def read(self, path: str, number: int) -> tuple[int, Any]:
        answer = self._kv("GET", f"secret/data/{path}?version={number}")
        if answer.json == {"errors": []}:
            return answer.status, None
        metadata = answer.data["metadata"]
        return answer.status, [metadata["version"], answer.data["data"], metadata["destroyed"]]

    def delete(self, path: str, numbers: list[int] | None) -> tuple[int, Any]:
        if numbers is None:
            return self._kv("DELETE", f"secret/data/{path}").status, None
        return self._kv("POST", f"secret/delete/{path}", {"versions": numbers}).status, None

    def undelete(self, path: str, numbers: list[int]) -> tuple[int, Any]:
        return self._kv("POST", f"secret/undelete/{path}", {"versions": numbers}).status, None

    def destroy(self, path: str, numbers: list[int]) -> tuple[int, Any]:
        return self._kv("POST", f"secret/destroy/{path}", {"versions": numbers}).status, None

    def tell(self, path: str, max_versions: int, cas_required: bool, custom: dict[str, str]) -> tuple[int, Any]:
        body = {"max_versions": max_versions, "cas_required": cas_required, "custom_metadata": custom}
        return self._kv("POST", f"secret/metadata/{path}", body).status, None

    def told(self, path: str) -> tuple[int, Any]:
        answer = self._kv("GET", f"secret/metadata/{path}")
        if answer.status == 404:
            return 404, None
        found = answer.data
        numbers = {number: version["destroyed"] for number, version in found["versions"].items()}
        rules = [found["max_versions"], found["cas_required"], found["custom_metadata"]]
        return 200, [found["current_version"], numbers, *rules]

    def erase(self, path: str) -> tuple[int, Any]:
        return self._kv("DELETE", f"secret/metadata/{path}").status, None

    def names(self, folder: str) -> tuple[int, Any]:
        answer = self._kv("LIST", f"secret/metadata/{folder}")
        return answer.status, answer.data["keys"] if answer.status == 200 else None


# Mostly one path and small numbers: what is done must meet what was done before.
_path = st.sampled_from((*PATHS[:1] * 4, *PATHS))
_number = st.integers(0, 4)
_numbers = st.lists(st.integers(1, 3), min_size=1, max_size=2)
_cas = st.sampled_from([0, 1, 2, 3])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_names = st.sampled_from(["A", "B", "C", "é", " ", "x.y", "{{A}}"])
_values = st.dictionaries(_names, _json, max_size=4)
_pairs = st.dictionaries(st.sampled_from(["k", "l"]), st.text(max_size=5), max_size=2)

_WRITE = st.tuples(st.just("write"), _path, _values, st.none())
_CHANGES = st.one_of(
    st.tuples(st.just("delete"), _path, st.none()),
    st.tuples(st.just("delete"), _path, _numbers),
    st.tuples(st.just("undelete"), _path, _numbers),
    st.tuples(st.just("undelete"), _path, _numbers),
    st.tuples(st.just("destroy"), _path, _numbers),
)
_OTHERS = st.one_of(
    _WRITE,
    st.tuples(st.just("write"), _path, _values, _cas),
    st.tuples(st.just("patch"), _path, _values, _cas | st.none()),
    st.tuples(st.just("tell"), _path, st.integers(1, 4), st.sampled_from([False, False, True]), _pairs),
    st.tuples(st.just("read"), _path, _number),
    st.tuples(st.just("told"), _path),
    st.tuples(st.just("erase"), st.sampled_from(PATHS)),
    st.tuples(st.just("names"), st.sampled_from(["", "a"])),
)
# There is something to change from the start, and changes follow each other.
SEQUENCES = st.tuples(
    st.lists(_WRITE, min_size=2, max_size=3), st.lists(_CHANGES | _OTHERS, min_size=6, max_size=14)
).map(lambda parts: [*parts[0], *parts[1]])


@pytest.fixture(scope="module")
def person(vault: Vault) -> Caller:
    """Every example starts from nothing: the paths are erased before it."""
    return vault.person("ada")


def _clear(kv: Kv) -> None:
    for path in PATHS:
        kv("DELETE", f"secret/metadata/{path}")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SEQUENCES)
def test_random_calls_are_answered_as_by_a_plain_model(person: Caller, sequence: list[tuple[Any, ...]]) -> None:
    kv = kv_of(person)
    _clear(kv)
    model, face = Model(), Face(kv)
    for name, *arguments in sequence:
        assert getattr(face, name)(*arguments) == getattr(model, name)(*arguments), (name, arguments)
        for number in (0, 1, 2) if name != "names" else ():
            assert face.read(arguments[0], number) == model.read(arguments[0], number), (name, arguments, number)


# -- Two faces --

_texts = st.dictionaries(_names, st.text(max_size=8), min_size=1, max_size=3)
OURS = st.one_of(
    st.tuples(st.just("kv"), _path, _values),
    st.tuples(st.just("v1"), _path, _values.filter(bool)),
    st.tuples(st.just("merge"), _path, _values),
    st.tuples(
        st.just("patch"), _path, st.dictionaries(_names, st.text(max_size=8) | st.none(), min_size=1, max_size=3)
    ),
    st.tuples(st.just("replace"), _path, _texts),
    st.tuples(st.just("import"), _path, _texts),
    st.tuples(st.just("disable"), _path, _names),
    st.tuples(st.just("delete"), _path, st.none()),
    st.tuples(st.just("undelete"), _path, st.integers(1, 4)),
    st.tuples(st.just("destroy"), _path, st.integers(1, 4)),
    st.tuples(st.just("rollback"), _path, st.integers(1, 4)),
    st.tuples(st.just("remove"), _path, st.none()),
    st.tuples(st.just("erase"), _path, st.none()),
)


def _through_vaults_face(kv: Kv, verb: str, path: str, what: Any) -> None:
    if verb == "kv":
        kv.put(path, what)
    elif verb == "v1":
        kv("PUT", f"kv/{path}", what)
    elif verb == "merge":
        kv("PATCH", f"secret/data/{path}", {"data": what}, **MERGE)
    elif verb == "delete":
        kv("DELETE", f"secret/data/{path}")
    elif verb in ("undelete", "destroy"):
        kv("POST", f"secret/{verb}/{path}", {"versions": [what]})
    elif verb == "erase":
        kv("DELETE", f"secret/metadata/{path}")


def _through_our_face(person: Caller, ours: str, verb: str, path: str, what: Any) -> None:
    if verb == "patch":
        person("PATCH", f"{ours}/variables", {"variables": what})
    elif verb == "disable":
        person("PATCH", f"{ours}/variables", {"variables": {what: {"enabled": False}}})
    elif verb == "replace":
        variables = [{"name": name, "value": value} for name, value in what.items()]
        person("PUT", f"{ours}/variables", {"variables": variables}, If_Match="*")
    elif verb == "import":
        text = json.dumps(what)
        person("POST", "/import", {"environment": path, "format": "json", "text": text, "mode": "replace"})
    elif verb == "rollback":
        person("POST", f"{ours}/rollback", {"revision": what})
    elif verb == "remove":
        person("DELETE", ours)


def _do(person: Caller, kv: Kv, verb: str, path: str, what: Any) -> None:
    _through_vaults_face(kv, verb, path, what)
    environment = person.ok("GET", f"/environments?name={path}")["items"]
    if environment:
        _through_our_face(person, f"/environments/{environment[0]['id']}", verb, path, what)


def _agree(person: Caller, kv: Kv, path: str) -> None:
    environment = person.ok("GET", f"/environments?name={path}")["items"]
    theirs = kv("GET", f"secret/data/{path}")
    if not environment:
        assert theirs.json == {"errors": []}
        return
    ours = f"/environments/{environment[0]['id']}"
    answer = person("GET", f"{ours}/values?globals=false&resolve=false")
    assert environment[0]["revision"] == kv("GET", f"secret/metadata/{path}").data["current_version"]
    if answer.status == 404:
        assert answer.code == "revision_deleted"
        assert theirs.status == 404
        assert theirs.data["data"] is None
        return
    shown = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        for name, value in theirs.data["data"].items()
    }
    assert answer.json["values"] == shown
    assert answer.json["revision"] == theirs.data["metadata"]["version"]
    assert kv("GET", f"kv/{path}").data == theirs.data["data"]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(OURS, min_size=2, max_size=10))
def test_the_faces_never_disagree(person: Caller, sequence: list[tuple[str, str, Any]]) -> None:
    kv = kv_of(person)
    _clear(kv)
    for verb, path, what in sequence:
        _do(person, kv, verb, path, what)
        _agree(person, kv, path)


@pytest.mark.parametrize("verb", ["delete", "undelete", "destroy"])
def test_the_harness_finds_a_face_that_does_nothing(vault: Vault, verb: str) -> None:
    model, face = Model(), Face(kv_of(vault.person("mallory")))
    sides: tuple[Model | Face, ...] = (model, face)
    for side in sides:
        side.write("a", {"A": 1}, None)
        if verb == "undelete":
            side.delete("a", None)
    getattr(model, verb)("a", [1])
    assert face.read("a", 0) != model.read("a", 0)
