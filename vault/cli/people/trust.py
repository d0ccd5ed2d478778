"""`strongroom trust`: says that a project file may choose the server and its authority."""

from __future__ import annotations

from pathlib import Path

import click

from vault.cli.config import PROJECT_FILE
from vault.cli.context import Cli
from vault.cli.options import pass_cli
from vault.cli.people import authority
from vault.cli.words import CliError, say


@click.group()
def trust() -> None:
    """Trust the settings of a project."""


@trust.command()
@click.option("--remove", is_flag=True, help="End the trust.")
@pass_cli
def project(cli: Cli, remove: bool) -> None:
    """Trust the project file of this folder, as it is now.

    Then your tokens and passwords may be sent to the url in it, and its ca_file decides which server is the right one.
    Without a url in it, this counts only for the server that the other settings name now. A change of the project file
    or of the CA file ends the trust.
    """
    found = cli.settings.project
    if found is None:
        raise CliError(f"There is no {PROJECT_FILE} in {Path.cwd()} or a folder above it.")
    if remove:
        ended = authority.forget_trust(found)
        say(f"{found.path} is {'no longer' if ended else 'not'} trusted.")
        return
    url = found.url or cli.settings.url
    authority.trust(found, url)
    say(f"{found.path} is trusted as it is now, for {url}.")
    say(f"  url: {found.url or 'none'}")
    say(f"  ca_file: {found.ca_file or 'none'}")
