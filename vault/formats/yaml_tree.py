"""Parses a YAML document to a small tree of texts, for the formats that use YAML.

Scalars are kept as they are written, because YAML readers disagree about `no`, `012` or `1e3`. What makes YAML slow or
dangerous to read is refused: aliases (a few lines can mean gigabytes), tags, merge keys, deep nesting, and a second
document.
"""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from vault.errors import FormatError
from vault.formats.base import error_at, too_many
from vault.formats.tree import Mapping, Node, Scalar, Sequence
from vault.model.environment import VARIABLES_MOST

DEPTH_MOST = 16
"""A Secret with all its metadata has five levels."""

EVENTS_MOST = 10 * VARIABLES_MOST
"""Each variable needs two nodes, and a Secret's metadata may need five times as many again. This takes a second to
read.
"""

_TEXT_TAG = "tag:yaml.org,2002:str"
_MERGE_TAG = "tag:yaml.org,2002:merge"
# libyaml needs a tenth of a second for a megabyte, PyYAML's own parser several seconds. Both read the same.
_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_RESOLVER = yaml.resolver.Resolver()
_NODES = (yaml.ScalarEvent, yaml.CollectionStartEvent)


def read_tree(text: str) -> Node:
    """Parse the one document in `text`. Raises `FormatError`, which never quotes the text."""
    try:
        events = _bounded(yaml.parse(text, Loader=_LOADER))
        first = _after_start(events)
        if isinstance(first, yaml.StreamEndEvent):
            raise error_at("line 1", "there is no YAML document here")
        root = _node(first, events, 0)
        next(events)
        if not isinstance(following := next(events), yaml.StreamEndEvent):
            raise error_at(_place(following), "a second document starts here. Give one document at a time")
    except yaml.YAMLError as error:
        # Do not pass on the library's message: it may quote a part of a value.
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        raise error_at(f"line {mark.line + 1}" if mark else "the text", "this is not YAML") from None
    except UnicodeEncodeError:
        raise FormatError("The text contains half of a surrogate pair, which is not valid text.") from None
    return root


def _bounded(events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    for number, event in enumerate(events):
        if number > EVENTS_MOST:
            raise too_many()
        yield event


def _after_start(events: Iterator[yaml.Event]) -> yaml.Event:
    next(events)
    event = next(events)
    return next(events) if isinstance(event, yaml.DocumentStartEvent) else event


def _node(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
    place = _place(event)
    if isinstance(event, yaml.AliasEvent):
        raise error_at(place, "aliases (*name) are not supported. Write the value itself")
    if depth > DEPTH_MOST:
        raise error_at(place, f"this is nested more than {DEPTH_MOST} deep")
    assert isinstance(event, _NODES)
    if event.tag is not None and event.tag not in (_TEXT_TAG, "!"):
        raise error_at(place, "tags (!name) are not supported. Remove the tag")
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event, place)
    if isinstance(event, yaml.SequenceStartEvent):
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            _node(event, events, depth + 1)
        return Sequence(place)
    items = []
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _node(event, events, depth + 1)
        if not isinstance(key, Scalar):
            raise error_at(key.place, "a key must be a text")
        items.append((key, _node(next(events), events, depth + 1)))
    return Mapping(tuple(items), place)


def _scalar(event: yaml.ScalarEvent, place: str) -> Scalar:
    # The resolver decides what an unquoted scalar without a tag means. A quoted scalar is always text.
    tag = _resolved(event.value) if event.implicit[0] else _TEXT_TAG
    if tag == _MERGE_TAG:
        raise error_at(place, "merge keys (<<) are not supported. Write the merged keys themselves")
    return Scalar(event.value, tag == _TEXT_TAG, place)


def _resolved(text: str) -> object:
    return _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # not in the stubs


def _place(event: yaml.Event) -> str:
    assert event.start_mark is not None, "A parser's event always has a position."
    return f"line {event.start_mark.line + 1}"
