"""The context of every command: its flags, its settings, and the client."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vault.cli.words import CliError
from vault.errors import NotAuthenticated, SettingsError

if TYPE_CHECKING:
    from vault.cli.config import CliSettings
    from vault.client import Authority, Client, Transport
    from vault.client.sets import VariableSet


@dataclass
class Cli:
    """One run of the command. Tests pass a `transport` and set whether a person can be asked."""

    flags: dict[str, str] = field(default_factory=dict)
    transport: Transport | None = None
    is_interactive: bool | None = None

    @cached_property
    def settings(self) -> CliSettings:
        """The settings: flags before environment, project file, user config and defaults."""
        from vault.cli.config import load

        return load(self.flags, os.environ, Path.cwd())

    @cached_property
    def client(self) -> Client:
        """A client with the credential of this run. Raises `NotAuthenticated` if there is none."""
        from vault.cli.people import authority

        token, is_given = self._credential
        return self.make_client(token, authority.choose(self.settings, credential_from_environment=is_given))

    @property
    def token(self) -> str:
        """The credential of this run. Raises `NotAuthenticated` if there is none."""
        return self._credential[0]

    @cached_property
    def _credential(self) -> tuple[str, bool]:
        """The credential, and whether it is from the environment."""
        from vault.cli.people import keychain
        from vault.client.defaults import token_from

        token = token_from(os.environ)
        if token:
            self.refuse_project_address("STRONGROOM_TOKEN")
            return token, True
        token = keychain.load(self.settings.url)
        if not token:
            raise NotAuthenticated(f"There is no credential for {self.settings.url}.")
        return token, False

    def refuse_project_address(self, credential: str) -> None:
        """Raise `SettingsError` if only the project file names the address, and this version of it is not trusted.

        Otherwise anyone who can edit the project could make the command send them a credential from the environment.
        """
        from vault.cli.people.authority import is_trusted

        project = self.settings.project
        if self.settings.url_is_the_projects and project is not None and not is_trusted(project, self.settings.url):
            raise SettingsError(
                f"{credential} is not sent to {self.settings.url}, because only the project's .strongroom.toml names "
                "this address. If it is right, set STRONGROOM_URL to it, give --url, or use: strongroom trust project"
            )

    def make_client(self, token: str, authorities: Authority | None) -> Client:
        """Return a client for the server in the settings. It trusts `authorities`, or the system's for None."""
        from vault.client import Client, HttpsTransport

        url = self.settings.url
        return Client(url, token, transport=self.transport or HttpsTransport(url, ca_file=authorities))

    def environment_name(self, environment: str | None, instead: str = "") -> str:
        """Return the environment that the flag or the settings name.

        Raises `CliError` if there is none. It names the option that the command takes `instead`, if it has one.
        """
        name = environment or self.settings.environment
        if not name:
            others = f" or {instead}" if instead else ""
            raise CliError(f"No environment is given. Use -e NAME{others}.")
        return name

    def chosen_name(self, environment: str | None, use_globals: bool) -> str | None:
        """Return the environment's name, or None for the globals. Raises `UsageError` for both at once."""
        if use_globals and environment is not None:
            raise click.UsageError("-e and --globals cannot be used together.")
        return None if use_globals else self.environment_name(environment, "--globals")

    def chosen_set(self, environment: str | None, use_globals: bool) -> VariableSet:
        """Return the set of variables that `-e` or `--globals` selects."""
        name = self.chosen_name(environment, use_globals)
        return self.client.globals if name is None else self.client.environment(name)

    def can_ask(self) -> bool:
        """Report whether a person is at a terminal."""
        return sys.stdin.isatty() if self.is_interactive is None else self.is_interactive
