"""The headers of every page: what it may load, who may frame it, and which browser features it may use."""

from __future__ import annotations

from flask import Response

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        # No script here creates a policy, so no text can become code or markup.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

_PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer", "autoplay", "browsing-topics", "camera", "display-capture", "encrypted-media", "fullscreen",
        "geolocation", "gyroscope", "hid", "idle-detection", "local-fonts", "magnetometer", "microphone", "midi",
        "payment", "picture-in-picture", "screen-wake-lock", "serial", "usb", "xr-spatial-tracking",
    )
)  # fmt: skip
"""Pages use only the clipboard and passkeys."""


def protect(response: Response) -> Response:
    """Add the pages' headers to an answer. The front door adds the headers that all answers have."""
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Permissions-Policy"] = _PERMISSIONS
    response.headers["Cache-Control"] = "no-store"
    # One URL has two pages: one for a visitor, one for a person who is logged in.
    response.headers["Vary"] = "Cookie"
    return response
