"""Random sequences of calls against a plain model of what they should do (hypothesis)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.api.conftest import Answer, Caller, Vault

NAMES = ("one", "two", "three")
KEYS = ("A", "B", "C")
VALUES = ("", "1", "{{A}}", "é\n😀")
RECORD = {"type": "default", "enabled": True, "literal": False, "description": ""}

Step = tuple[Any, ...]


@dataclass
class Thing:
    """An environment as it should be: every revision it ever had, the newest last."""

    name: str
    number: int
    revisions: list[dict[str, str]] = field(default_factory=list)
    deleted: bool = False

    @property
    def now(self) -> dict[str, str]:
        return self.revisions[-1] if self.revisions else {}

    @property
    def revision(self) -> int | None:
        return len(self.revisions) or None


class Model:
    """What a person has. Each verb answers the status and, where it writes, the revision."""

    def __init__(self) -> None:
        self.things: list[Thing] = []
        self._order = 0

    def living(self, name: str) -> Thing | None:
        return next((thing for thing in self.things if thing.name == name and not thing.deleted), None)

    def create(self, name: str, variables: dict[str, str]) -> Step:
        if self.living(name):
            return (409,)
        self.things.append(Thing(name, len(self.things), [variables] if variables else []))
        return (201,)

    def patch(self, name: str, changes: dict[str, str | None]) -> Step:
        thing = self.living(name)
        if thing is None:
            return (404,)
        after = dict(thing.now)
        for key, value in changes.items():
            if value is None:
                after.pop(key, None)
            else:
                after[key] = value
        return self._write(thing, after)

    def put(self, name: str, variables: dict[str, str], condition: str) -> Step:
        thing = self.living(name)
        if thing is None:
            return (404,)
        if condition == "none":
            return (428,)
        holds = {"fresh": bool(thing.revisions), "stale": False, "new": not thing.revisions}[condition]
        return self._write(thing, variables) if holds else (412,)

    def delete_one(self, name: str, key: str) -> Step:
        thing = self.living(name)
        if thing is None or key not in thing.now:
            return (404,)
        return self._write(thing, {other: value for other, value in thing.now.items() if other != key})

    def rollback(self, name: str, number: int) -> Step:
        thing = self.living(name)
        if thing is None or number > len(thing.revisions):
            return (404,)
        thing.revisions.append(thing.revisions[number - 1])
        return (200, len(thing.revisions))

    def rename(self, name: str, new: str) -> Step:
        thing, other = self.living(name), self.living(new)
        if thing is None:
            return (404,)
        if other is not None and other is not thing:
            return (409,)
        thing.name = new
        return (200,)

    def copy(self, name: str, new: str) -> Step:
        thing = self.living(name)
        if thing is None:
            return (404,)
        if self.living(new):
            return (409,)
        self.things.append(Thing(new, len(self.things), [dict(thing.now)]))
        return (201,)

    def delete(self, name: str) -> Step:
        thing = self.living(name)
        if thing is None:
            return (404,)
        thing.deleted = True
        # The one deleted last is the one that a name brings back.
        self._order += 1
        thing.number = self._order
        return (204,)

    def undelete(self, name: str, new: str | None) -> Step:
        gone = [thing for thing in self.things if thing.deleted and thing.name == name]
        if not gone:
            return (404,)
        thing = max(gone, key=lambda each: each.number)
        if self.living(new or name):
            return (409,)
        thing.deleted, thing.name = False, new or name
        return (200,)

    def _write(self, thing: Thing, after: dict[str, str]) -> Step:
        if list(after.items()) != list(thing.now.items()) or not thing.revisions:
            thing.revisions.append(after)
        return (200, len(thing.revisions))


class Api:
    """The same verbs by HTTP."""

    def __init__(self, caller: Caller) -> None:
        self._call = caller
        self._stale = '"never"'

    def create(self, name: str, variables: dict[str, str]) -> Step:
        body: dict[str, Any] = {"name": name}
        if variables:
            body["variables"] = [{"name": key, "value": value} for key, value in variables.items()]
        return self._told(self._call("POST", "/environments", body))

    def patch(self, name: str, changes: dict[str, str | None]) -> Step:
        return self._told(self._call("PATCH", f"/environments/{name}/variables", {"variables": changes}))

    def put(self, name: str, variables: dict[str, str], condition: str) -> Step:
        path = f"/environments/{name}/variables"
        read = self._call("GET", path)
        headers: dict[str, Any] = {}
        if condition == "new":
            headers["If_None_Match"] = "*"
        elif condition == "stale":
            headers["If_Match"] = self._stale
        elif condition == "fresh":
            headers["If_Match"] = read.headers.get("etag", '"none"')
        body = {"variables": [{"name": key, "value": value} for key, value in variables.items()]}
        return self._told(self._call("PUT", path, body, **headers))

    def delete_one(self, name: str, key: str) -> Step:
        return self._told(self._call("DELETE", f"/environments/{name}/variables/{key}"))

    def rollback(self, name: str, number: int) -> Step:
        return self._told(self._call("POST", f"/environments/{name}/rollback", {"revision": number}))

    def rename(self, name: str, new: str) -> Step:
        return (self._call("PATCH", f"/environments/{name}", {"name": new}).status,)

    def copy(self, name: str, new: str) -> Step:
        return self._told(self._call("POST", f"/environments/{name}/copy", {"name": new}))

    def delete(self, name: str) -> Step:
        return self._told(self._call("DELETE", f"/environments/{name}"))

    def undelete(self, name: str, new: str | None) -> Step:
        return (self._call("POST", f"/environments/{name}/undelete", {"name": new} if new else {}).status,)

    def _told(self, answer: Answer) -> Step:
        revision = answer.json.get("revision") if answer.status == 200 else None
        return (answer.status,) if revision is None else (answer.status, revision)


def agree(caller: Caller, model: Model) -> None:
    """Whether the API tells of every living environment what the model holds."""
    items = caller.ok("GET", "/environments")["items"]
    assert [(item["name"], item["revision"]) for item in items] == sorted(
        (thing.name, thing.revision) for thing in model.things if not thing.deleted
    )
    for thing in model.things:
        if thing.deleted:
            continue
        path = f"/environments/{thing.name}"
        assert caller.ok("GET", f"{path}/variables")["variables"] == [
            {"name": key, "value": value, **RECORD} for key, value in thing.now.items()
        ]
        assert caller.ok("GET", f"{path}/values?resolve=false&globals=false")["values"] == thing.now
        numbers = [item["number"] for item in caller.ok("GET", f"{path}/revisions?limit=200")["items"]]
        assert numbers == list(range(len(thing.revisions), 0, -1))
        for number in numbers[:3]:
            held = caller.ok("GET", f"{path}/revisions/{number}")["variables"]
            assert {item["name"]: item["value"] for item in held} == thing.revisions[number - 1]


names, keys, values = st.sampled_from(NAMES), st.sampled_from(KEYS), st.sampled_from(VALUES)
sets = st.dictionaries(keys, values, max_size=3)
STEPS = st.one_of(
    st.tuples(st.just("create"), names, sets),
    st.tuples(st.just("patch"), names, st.dictionaries(keys, st.none() | values, max_size=3)),
    st.tuples(st.just("put"), names, sets, st.sampled_from(["fresh", "fresh", "stale", "new", "none"])),
    st.tuples(st.just("delete_one"), names, keys),
    st.tuples(st.just("rollback"), names, st.integers(1, 4)),
    st.tuples(st.just("rename"), names, names),
    st.tuples(st.just("copy"), names, names),
    st.tuples(st.just("delete"), names),
    st.tuples(st.just("undelete"), names, st.none() | names),
)


# Shrinking a failure would take minutes, and the test's time would be up before it is told.
@settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=5, max_size=25))
def test_any_sequence_of_calls_does_what_the_model_does(vault: Vault, steps: list[Step]) -> None:
    caller, model = vault.person("model"), Model()
    api = Api(caller)
    for verb, *arguments in [("create", "one", {"A": "1"}), *steps]:
        expected = getattr(model, verb)(*arguments)
        assert getattr(api, verb)(*arguments) == expected, (verb, arguments)
    agree(caller, model)
