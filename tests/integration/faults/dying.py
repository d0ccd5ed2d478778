"""The real app, in workers that kill themselves just before or just after a commit when they are told to."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from flask import Flask, Response, has_request_context

from vault import app as real
from vault.settings import Settings
from vault.storage import unit_of_work

takes_password = real.takes_password

MOMENTS = ("die-before-commit", "die-after-commit")
"""Names of files in the data directory; the worker that finds one removes it, and dies."""


def create_app(settings: Settings) -> Flask:
    """The app, mortal."""
    made = real.create_app(settings)
    commit = unit_of_work._commit

    def commit_or_die(*args: Any, **options: Any) -> Any:
        _die_if_told(settings.data_dir / MOMENTS[0])
        return commit(*args, **options)

    unit_of_work._commit = commit_or_die

    @made.after_request
    def die_before_the_answer_leaves(response: Response) -> Response:
        _die_if_told(settings.data_dir / MOMENTS[1])
        return response

    return made


def _die_if_told(marker: Path) -> None:
    # The jobs of a worker commit too, and shall not take the bait.
    if has_request_context() and marker.exists():
        marker.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
