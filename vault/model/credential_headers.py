"""The headers that can hold a credential, and the cookie among them that does."""

from __future__ import annotations

CREDENTIAL_HEADERS = ("Authorization", "X-Vault-Token", "X-API-Key", "Cookie")
"""An authentication method sees these headers and no others.

The front door counts a request's memory for the caller that these headers name, and a request without any of them has
the smallest budget. A method that reads another header adds it here.
"""

SESSION_COOKIE = "__Host-strongroom"
"""The cookie of a browser session. With this prefix, browsers refuse it without Secure, from a subdomain, or for only a
part of the site (RFC 6265bis).
"""

_COOKIE = SESSION_COOKIE.encode()

DEVICE_COOKIE = "__Host-strongroom-device"
"""The cookie of a browser in which a person has logged in. It opens nothing. It only keeps strangers at the same
address from locking the person out.
"""


def session_cookie(cookies: bytes) -> bytes:
    """Return the session's secret in a `Cookie` header, or nothing.

    It is the first cookie of this name, without surrounding spaces, as Werkzeug takes it.
    """
    for field in cookies.split(b";"):
        name, _, value = field.partition(b"=")
        if name.strip() == _COOKIE:
            return value.strip()
    return b""
