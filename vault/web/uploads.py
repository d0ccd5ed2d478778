"""How forms with files are read: into memory alone."""

from __future__ import annotations

import io
from typing import IO

from flask import Flask, Request

_FORM_MOST_BYTES = 2 * 1024 * 1024
"""Above what the front door lets in, which is what bounds a form."""


def register(app: Flask) -> None:
    """Have `app` read forms so."""
    app.request_class = _RequestInMemory
    app.config["MAX_FORM_MEMORY_SIZE"] = _FORM_MOST_BYTES


class _RequestInMemory(Request):
    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        # Werkzeug's own would write a file of 500 kB to the disk: an import is full of secrets.
        return io.BytesIO()
