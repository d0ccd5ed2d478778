"""Which program a session is in, in a few words; what a program says of itself is believed by nobody."""

from __future__ import annotations

_PROGRAMS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("strongroom", "strongroom"),
    ("curl/", "curl"),
)
"""The first that fits: most browsers name several."""

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
    """As `Firefox on Linux`; the beginning of what it says where we know neither."""
    program = next((word for mark, word in _PROGRAMS if mark in agent), "")
    system = next((word for mark, word in _SYSTEMS if mark in agent), "")
    if program and system:
        return f"{program} on {system}"
    return program or agent[:_MOST_CHARACTERS] or "an unknown program"
