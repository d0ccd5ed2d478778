"""The names that Strongroom adds to a request's WSGI environ (PEP 3333), for the front door and the application."""

from __future__ import annotations

REQUEST_ID = "strongroom.request_id"
"""The id that the front door gives to the request."""

FORWARDED_BY_STRANGER = "strongroom.forwarded_by_stranger"
"""Whether the request has a forwarding header from a sender that is not a trusted proxy."""

FORWARDED_BY_PROXY = "strongroom.forwarded_by_proxy"
"""Whether a trusted proxy has stated the address of the client."""

PERSON = "strongroom.person"
"""The id of the person to whom the credential belongs. The application sets it, and the front door reads it."""
