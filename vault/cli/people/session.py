"""`strongroom login` and `logout`."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Protocol

import click

from vault.cli.asking import read_code, read_password
from vault.cli.context import Cli
from vault.cli.options import connection_options, pass_cli
from vault.cli.people import authority, keychain, offline
from vault.cli.people.made_tokens import end_tokens_option, say_tokens
from vault.cli.words import CliError, say
from vault.errors import BadSecondFactor, NotAuthenticated, SecondFactorRequired
from vault.sources import filled, secret_from, without_line_ends

if TYPE_CHECKING:
    from vault.client import NewSession


class _Complete(Protocol):
    """Completes a challenge: of a login, or of a new proof of identity."""

    def __call__(self, challenge_id: str, *, code: str = "", recovery_code: str = "") -> NewSession:
        """Return the new session."""


_TRIES = 3
_CODE = re.compile(r"[0-9]{3} ?[0-9]{3}")


@click.command()
@click.argument("username", required=False)
@click.option("--password", metavar="-|@FILE", help="Read the password from stdin or a file instead of asking.")
@click.option(
    "--code", metavar="-|@FILE", help="Read the second factor's code or a recovery code from stdin or a file."
)
@connection_options
@pass_cli
def login(cli: Cli, username: str | None, password: str | None, code: str | None) -> None:
    """Log in with name and password, and keep the session's token.

    Name and password may come from STRONGROOM_USERNAME and STRONGROOM_PASSWORD (or STRONGROOM_PASSWORD_FILE). Where the
    account has a second factor, its code is asked for; a recovery code does as well.
    """
    if (password, code) == ("-", "-"):
        raise CliError("Standard input can have the password or the code, not both. Give one of them as @FILE.")
    # Print the address before asking for the password: a project file may have chosen it.
    say(f"Logging in to {cli.settings.url}.")
    if username is None:
        username = os.environ.get("STRONGROOM_USERNAME") or _ask_name(cli)
    filled(username, "The name")
    secret = secret_from(os.environ, "STRONGROOM_PASSWORD", without_line_ends) if password is None else None
    if secret is not None:
        cli.refuse_project_address("STRONGROOM_PASSWORD")
    authorities = authority.choose(cli.settings, credential_from_environment=secret is not None)
    project = cli.settings.project
    if authorities is not None and project is not None and authorities.source == project.ca_file:
        say(f"The project's ca_file decides which server is trusted: {authorities.source}.")
    client = cli.make_client("", authorities)
    secret = read_password(cli, password, "the password") if secret is None else secret
    try:
        session = client.login(username, secret)
    except SecondFactorRequired as required:
        session = with_second_factor(cli, client.complete_login, required, code)
    authority.keep(cli.settings.url, authorities)
    place = keychain.save(cli.settings.url, session.secret)
    say(f"Logged in as {session.user.username}. The session's token is in {place}.")


@click.command()
@click.option("--all", "ends_all", is_flag=True, help="End all of your sessions, also those on other machines.")
@end_tokens_option
@connection_options
@pass_cli
def logout(cli: Cli, ends_all: bool, end_tokens: bool) -> None:
    """End the session on the server. Delete its token and the values of 'run --offline-for' here.

    With --all it also says which tokens your sessions of the last day have made. With --tokens these end too.
    """
    if end_tokens and not ends_all:
        raise click.UsageError("--tokens needs --all.")
    offline.forget_all(cli.settings.url)
    token = keychain.load(cli.settings.url)
    if not token:
        say(f"There is no session for {cli.settings.url}.")
        return
    client = cli.make_client(token, authority.choose(cli.settings))
    # Forget it before the call, so that no token stays here if the server fails.
    keychain.forget(cli.settings.url)
    try:
        if not ends_all:
            client.logout()
            say("Logged out.")
            return
        ended = client.sessions.revoke_all(end_tokens=end_tokens)
    except NotAuthenticated:
        say("The session had already ended. Its token was removed.")
        if end_tokens:
            raise CliError("The tokens were not ended. Log in, and give the command again.") from None
    else:
        say("Logged out everywhere.")
        then = "If you do not know one, log in and end it:"
        say_tokens(ended.tokens, ended=ended.tokens_ended, wanted=end_tokens, then=then)


def with_second_factor(cli: Cli, complete: _Complete, required: SecondFactorRequired, given: str | None) -> NewSession:
    """Return the session after the account's second factor. A person may mistype a code and try again."""
    if not required.challenge_id:
        raise required
    if not {"totp", "recovery"} & set(required.kinds):
        raise CliError(
            "This account's second factor is a passkey. Log in with a browser, and make a service token there."
        )
    tries = 1
    while True:
        code = read_code(cli, given, "the code of the second factor")
        try:
            session = _complete(complete, required.challenge_id, code)
        except BadSecondFactor:
            if given is not None or tries == _TRIES:
                raise
            say("That code was not accepted. Each code works once: wait for the next one.")
            tries += 1
        else:
            if session.recovery_codes_left is not None:
                say(f"That was a recovery code. {session.recovery_codes_left} are left.")
            return session


def _complete(complete: _Complete, challenge_id: str, code: str) -> NewSession:
    if _CODE.fullmatch(code):
        return complete(challenge_id, code=code)
    return complete(challenge_id, recovery_code=code)


def _ask_name(cli: Cli) -> str:
    if not cli.can_ask():
        raise CliError("There is no terminal to ask for the name. Use: strongroom login NAME --password -")
    return str(click.prompt("Username", err=True))
