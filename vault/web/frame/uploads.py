"""Reads forms. Uploaded files stay in memory, and the number of fields is limited."""

from __future__ import annotations

import io
from typing import IO

from flask import Flask, Request
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from vault.http import budget

_FORM_MOST_BYTES = 2 * 1024 * 1024
"""More bytes than the front door accepts, so the front door's limit applies to every form."""
_PARTS_MOST = 1000
"""Only an import sends a multipart form, with a few parts."""


def register(app: Flask) -> None:
    """Make `app` read forms this way."""
    app.request_class = _RequestInMemory
    app.config["MAX_FORM_MEMORY_SIZE"] = _FORM_MOST_BYTES


class _BoundedParser(FormDataParser):
    def _parse_urlencoded(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str]
    ) -> tuple[IO[bytes], MultiDict[str, str], MultiDict[str, FileStorage]]:
        # For its token, a form is read before the caller is known. Werkzeug limits the fields of multipart forms only.
        # A form of 1.5 MiB in this encoding can have 750,000 empty fields, which take two seconds.
        data = stream.read()
        if data.count(b"&") >= budget().form_fields:
            raise RequestEntityTooLarge()
        return super()._parse_urlencoded(io.BytesIO(data), mimetype, content_length, options)


class _RequestInMemory(Request):
    form_data_parser_class: type[FormDataParser] = _BoundedParser

    def make_form_data_parser(self) -> FormDataParser:
        """Return the parser of this request's form, with the limits of its route."""
        parser = super().make_form_data_parser()
        parser.max_form_parts = min(_PARTS_MOST, budget().form_fields)
        return parser

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        # Werkzeug would write a file above 500 kB to the disk, and an import is full of secrets.
        return io.BytesIO()
