"""Names the program of a session in a few words. The text comes from the program itself, so it proves nothing."""

from __future__ import annotations

OWN = "strongroom"
"""The command, or a program with the SDK."""

_PROGRAMS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("strongroom", OWN),
    ("curl/", "curl"),
)
"""The first match counts, because most browsers name several."""

_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)
_MOST_CHARACTERS = 60


def in_words(agent: str) -> str:
    """Return words like `Firefox on Linux`, or the beginning of the text if it is unknown."""
    program = next((word for mark, word in _PROGRAMS if mark in agent), "")
    system = next((word for mark, word in _SYSTEMS if mark in agent), "")
    if program and system:
        return f"{program} on {system}"
    return program or agent[:_MOST_CHARACTERS] or "an unknown program"
