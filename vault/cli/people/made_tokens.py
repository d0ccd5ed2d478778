"""Says which tokens sessions have made, when these sessions end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from vault.cli.words import say
from vault.model.printable import shown

if TYPE_CHECKING:
    from vault.client import MadeToken

end_tokens_option = click.option(
    "--tokens", "end_tokens", is_flag=True, help="End the tokens that your sessions of the last day have made, too."
)


def say_tokens(tokens: Sequence[MadeToken], *, ended: bool, wanted: bool, then: str) -> None:
    """Say which tokens the sessions have made. `wanted` is whether they were to end; `then` says how to end them."""
    if wanted and not ended:
        say("Warning: this server cannot end the tokens that your sessions made. See them with: strongroom token list")
    if not tokens:
        return
    say(f"Your sessions of the last day made these tokens, which {'have ended' if ended else 'still work'}:")
    for token in tokens:
        say(f"  {token.id}  {shown(token.name)}")
    if not ended:
        say(f"{then} strongroom token revoke {' '.join(token.id for token in tokens)}")
