"""The headers of every page: what it may load, who may frame it, and what the browser must not give it."""

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
        # No text ever becomes code or markup: no script here makes a policy that could.
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
"""The clipboard and passkeys are what pages need; everything else is off."""


def protect(response: Response) -> Response:
    """Give a page's answer its headers; the front door adds those that all answers have."""
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Permissions-Policy"] = _PERMISSIONS
    response.headers["Cache-Control"] = "no-store"
    # Two pages at one address: whoever is logged in sees another.
    response.headers["Vary"] = "Cookie"
    return response
