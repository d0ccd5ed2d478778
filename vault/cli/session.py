"""`strongroom login` and `logout`."""

from __future__ import annotations

import os

import click

from vault.cli import keychain
from vault.cli.asking import read_secret
from vault.cli.context import Cli
from vault.cli.files import read_text
from vault.cli.options import connection_options, pass_cli
from vault.cli.words import CliError, say
from vault.errors import NotAuthenticated, SettingsError


@click.command()
@click.argument("username", required=False)
@click.option("--password", metavar="-|@FILE", help="Read the password from stdin or a file instead of asking.")
@connection_options
@pass_cli
def login(cli: Cli, username: str | None, password: str | None) -> None:
    """Log in with name and password, and keep the session's token.

    Name and password may come from STRONGROOM_USERNAME and STRONGROOM_PASSWORD (or STRONGROOM_PASSWORD_FILE).
    """
    # The address is told before the password is asked for: a project file may have chosen it.
    say(f"Logging in to {cli.settings.url}.")
    username = username or os.environ.get("STRONGROOM_USERNAME") or _ask_name(cli)
    secret = _password_from_environment() if password is None else None
    if secret is not None:
        cli.refuse_project_address("STRONGROOM_PASSWORD")
    client = cli.make_client("")
    session = client.login(username, read_secret(cli, password, "the password") if secret is None else secret)
    place = keychain.save(cli.settings.url, session.secret)
    say(f"Logged in as {session.user.username}. The session's token rests in {place}.")


@click.command()
@click.option("--all", "ends_all", is_flag=True, help="End all of your sessions, those elsewhere too.")
@connection_options
@pass_cli
def logout(cli: Cli, ends_all: bool) -> None:
    """End the session there, and forget its token here."""
    token = keychain.load(cli.settings.url)
    if not token:
        say(f"There is no session for {cli.settings.url}.")
        return
    # Forgotten first: whatever the server says, nothing is left lying here.
    keychain.forget(cli.settings.url)
    client = cli.make_client(token)
    try:
        if ends_all:
            client.sessions.revoke_all()
        else:
            client.logout()
    except NotAuthenticated:
        say("The session had ended already; its token is forgotten.")
    else:
        say("Logged out everywhere." if ends_all else "Logged out.")


def _ask_name(cli: Cli) -> str:
    if not cli.can_ask():
        raise CliError("There is no terminal to ask for the name: strongroom login NAME --password -.")
    return str(click.prompt("Username", err=True))


def _password_from_environment() -> str | None:
    password, path = os.environ.get("STRONGROOM_PASSWORD"), os.environ.get("STRONGROOM_PASSWORD_FILE")
    if password and path:
        raise SettingsError("STRONGROOM_PASSWORD and STRONGROOM_PASSWORD_FILE are both set; keep one.")
    return read_text(path).removesuffix("\n") if path else password or None
