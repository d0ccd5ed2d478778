"""Asks a person for a new proof of identity when a call needs one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from vault.cli.asking import read_password
from vault.cli.context import Cli
from vault.cli.people import keychain
from vault.cli.people.session import with_second_factor
from vault.cli.words import say
from vault.client.defaults import token_from
from vault.errors import SecondFactorRequired, StepUpRequired

T = TypeVar("T")


def with_proof(cli: Cli, call: Callable[[], T]) -> T:
    """Return the result of `call`. If it needs a recent proof, ask for the password, and call it again.

    Raises `StepUpRequired` if nobody can be asked.
    """
    try:
        return call()
    except StepUpRequired as refusal:
        if not cli.can_ask():
            raise
        say(refusal.message)
    client = cli.client
    is_stored = not token_from(os.environ) and bool(keychain.load(cli.settings.url))
    try:
        session = client.step_up(read_password(cli, None, "the password"))
    except SecondFactorRequired as required:
        session = with_second_factor(cli, client.complete_step_up, required, None)
    if is_stored:
        # The old session has ended.
        keychain.save(cli.settings.url, session.secret)
    else:
        say("The session in STRONGROOM_TOKEN has ended, and a new one was used for this call alone.")
    return call()
