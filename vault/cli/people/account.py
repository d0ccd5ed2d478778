"""`strongroom account`: shows your account, changes its password, and deletes it."""

from __future__ import annotations

import os

import click

from vault.cli.asking import read_new_password, read_password
from vault.cli.context import Cli
from vault.cli.erasure import print_erasure
from vault.cli.options import connection_options, format_option, pass_cli
from vault.cli.people import keychain
from vault.cli.people.made_tokens import end_tokens_option, say_tokens
from vault.cli.render import as_row, print_rows
from vault.cli.words import CliError, say
from vault.client.defaults import token_from

_SECRET = "-|@FILE"  # noqa: S105 - how a secret is given, not one.


@click.group()
def account() -> None:
    """Look after your own account."""


@account.command()
@format_option
@connection_options
@pass_cli
def show(cli: Cli) -> None:
    """Show who you are logged in as."""
    print_rows(cli, [as_row(cli.client.me())], ["username", "role", "id", "created_at"])


@account.command()
@click.option("--current", metavar=_SECRET, help="Read the current password from stdin or a file.")
@click.option("--new", metavar=_SECRET, help="Read the new password from stdin or a file.")
@end_tokens_option
@connection_options
@pass_cli
def password(cli: Cli, current: str | None, new: str | None, end_tokens: bool) -> None:
    """Change your password; your other sessions end.

    It also says which tokens your sessions of the last day have made, and how to end them.
    """
    given = read_password(cli, current, "the current password")
    is_stored = not token_from(os.environ) and bool(keychain.load(cli.settings.url))
    chosen = read_new_password(cli, new, "the new password")
    changed = cli.client.change_password(given, chosen, end_tokens=end_tokens)
    if is_stored and changed.session is not None:
        # The old session has ended.
        keychain.save(cli.settings.url, changed.session.secret)
    elif changed.session is not None:
        say("The session in STRONGROOM_TOKEN has ended with the change. Log in again.")
    say("Your password was changed. Your other sessions have ended.")
    say_tokens(changed.tokens, ended=changed.tokens_ended, wanted=end_tokens, then="If you do not know one, end it:")


@account.command()
@click.option("--password", metavar=_SECRET, help="Read the password from stdin or a file.")
@click.option("--yes", is_flag=True, help="Do not ask for the name.")
@format_option
@connection_options
@pass_cli
def delete(cli: Cli, password: str | None, yes: bool) -> None:
    """Delete your account and shred all that is in it. Nothing brings it back.

    The report says in numbers what went, and where copies remain until when.
    """
    client = cli.client
    name = client.me().username
    if not yes:
        _confirm(cli, name)
    report = client.delete_me(read_password(cli, password, "the password"))
    keychain.forget(cli.settings.url)
    say(f"The account {name} was deleted.")
    print_erasure(cli, report)


def _confirm(cli: Cli, name: str) -> None:
    if not cli.can_ask():
        raise CliError("A deletion asks for your name. There is no terminal to ask: give --yes.")
    say("Your environments, their history and your tokens will be shredded.")
    if click.prompt(f"Type {name} to continue", err=True, default="", show_default=False) != name:
        raise CliError("That is not the name. Nothing was deleted.")
