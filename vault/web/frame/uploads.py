"""How forms are read: their files into memory alone, and never more fields than a page of ours can have."""

from __future__ import annotations

import io
from typing import IO, Any

from flask import Flask, Request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from vault.http import budget

_FORM_MOST_BYTES = 2 * 1024 * 1024
"""Above what the front door lets in, which is what bounds a form."""
_PARTS_MOST = 1000
"""Only an import sends parts, and only a few."""


def register(app: Flask) -> None:
    """Have `app` read forms so."""
    app.request_class = _RequestInMemory
    app.config["MAX_FORM_MEMORY_SIZE"] = _FORM_MOST_BYTES


class _BoundedParser(FormDataParser):
    def _parse_urlencoded(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str]
    ) -> Any:
        # A form is read before anybody is known, for its token. Werkzeug counts the parts of a multipart form alone: in
        # 1.5 MiB there is room for 750,000 empty fields here, which take it two seconds.
        data = stream.read()
        if data.count(b"&") >= budget().form_fields:
            raise RequestEntityTooLarge()
        return super()._parse_urlencoded(io.BytesIO(data), mimetype, content_length, options)


class _RequestInMemory(Request):
    form_data_parser_class = _BoundedParser

    def make_form_data_parser(self) -> FormDataParser:
        """The parser of this request's form, with the limits of its route."""
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
        # Werkzeug's own would write a file of 500 kB to the disk: an import is full of secrets.
        return io.BytesIO()
