"""The form of an answer: Vault's envelope around the data, with times as Vault writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from flask import Response

from vault.http import request_id
from vault.model.clock import rfc3339
from vault.model.json_types import JsonObject
from vault.model.strict_json import WrittenJson, dumps

MEDIA_TYPE = "application/json"
"""No charset here: with one, hvac does not find the errors."""


def envelope(
    data: Mapping[str, WrittenJson] | None = None,
    *,
    auth: JsonObject | None = None,
    wrap_info: JsonObject | None = None,
    warnings: Sequence[str] | None = None,
    status: int = 200,
    twice: bool = False,
) -> Response:
    """Return an answer in Vault's envelope. With `twice`, the data is also at the top level, beside the envelope's
    fields.
    """
    document: dict[str, WrittenJson] = {
        **(data if twice and data else {}),
        "request_id": request_id(),
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": wrap_info,
        "warnings": list(warnings) if warnings else None,
        "auth": auth,
    }
    return Response(dumps(document), status, content_type=MEDIA_TYPE)


def plain(document: JsonObject, status: int = 200) -> Response:
    """Return an answer without the envelope."""
    return Response(json.dumps(document), status, content_type=MEDIA_TYPE)


def nothing() -> Response:
    """Return a 204."""
    return Response(status=204, content_type=MEDIA_TYPE)


def done(warnings: Sequence[str]) -> Response:
    """Return the answer of a change that has no data: a 204, or the envelope if there are warnings."""
    return envelope(warnings=warnings) if warnings else nothing()


def moment(us: int | None) -> str:
    """Return a time as RFC 3339 in UTC, or an empty text for None."""
    return "" if us is None else rfc3339(us)
