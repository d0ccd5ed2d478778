"""Where a login comes from."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Visit:
    """Where a login comes from: the face (`web` or `api`), the address, the program, and the request's id.

    The face is called `kind`, as in the sealed challenge, in the column of the session, and in the API. `device` is the
    cookie by which a browser vouches for a person who has logged in there (see `devices.py`).
    """

    kind: str
    address: str
    agent: str = ""
    request_id: str = ""
    device: str = field(default="", repr=False)
