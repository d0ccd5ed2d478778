"""Times in answers."""

from __future__ import annotations

import datetime

_START = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def moment(us: int) -> str:
    """Return a time as RFC 3339 in UTC: `2026-11-22T09:00:00Z`. The fraction is left out if it is zero."""
    return (_START + datetime.timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")
