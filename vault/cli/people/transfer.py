"""`strongroom export` and `import`: files for other programs, and age files for other people."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from vault.cli.context import Cli
from vault.cli.files import read_bytes, write_private
from vault.cli.options import connection_options, pass_cli, set_options
from vault.cli.render import print_data
from vault.cli.words import CliError, say, warn
from vault.errors import FormatError, TooLarge
from vault.formats import FORMATS
from vault.formats.files import ENCRYPTED_END, format_of
from vault.model.printable import shown

FORMAT_NAMES = tuple(FORMATS)
IMPORTABLE = tuple(name for name, format_ in FORMATS.items() if format_.can_parse)

_FILE_MOST_BYTES = 16 * 2**20
"""The limit for reading a file into memory: far above what a server accepts, also in UTF-16 and armor."""


@click.command("export")
@set_options
@click.option(
    "--format",
    "file_format",
    type=click.Choice(FORMAT_NAMES),
    help="The format; by default from FILE's name, otherwise dotenv.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to this file, with mode 0600."
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.option(
    "--resolve", is_flag=True, help="Export what a service gets, with globals and bases merged and references resolved."
)
@click.option("--strict", is_flag=True, help="Fail instead of printing a warning.")
@click.option("-r", "--recipient", "recipients", multiple=True, metavar="age1…", help="Encrypt for this age recipient.")
@click.option("--passphrase", "asks_passphrase", is_flag=True, help="Encrypt with age; asks for a passphrase.")
@click.option("--passphrase-file", metavar="FILE|-", help="Encrypt with age and the passphrase in FILE.")
@connection_options
@pass_cli
def export_variables(
    cli: Cli,
    environment: str | None,
    use_globals: bool,
    file_format: str | None,
    output: Path | None,
    force: bool,
    resolve: bool,
    strict: bool,
    recipients: tuple[str, ...],
    asks_passphrase: bool,
    passphrase_file: str | None,
) -> None:
    """Write the variables to stdout or FILE. What a format cannot carry is left out with a warning.

    Encrypted, the file is of age's, which any age program opens; it is made on this side, and the server learns
    neither the passphrase nor for whom it is.
    """
    from vault.cli.people.age_files import recipients_from, sealed

    chosen = cli.chosen_set(environment, use_globals)
    # Check before fetching anything, so that a wrong key or two different passphrases cost nothing.
    readers = recipients_from(cli, recipients, passphrase_file, asks=asks_passphrase)
    name = file_format or _format_of(output) or "dotenv"
    if not file_format and output and Path(output.name.removesuffix(ENCRYPTED_END)).suffix and not _format_of(output):
        raise CliError(f"The end of {output.name} names no format. Give one with --format: {', '.join(FORMAT_NAMES)}.")
    rendered = chosen.render(name, strict=strict) if resolve else chosen.export(name, strict=strict)
    warn(rendered.warnings)
    text = sealed(rendered.text, readers) if readers else rendered.text
    if output is None:
        click.echo(text, nl=False)
    else:
        write_private(output, text, replace=force)
        say(f"Wrote {output}. Only you can read it.")


@click.command("import")
@click.argument("file", metavar="FILE|-")
@set_options
@click.option(
    "--format",
    "file_format",
    type=click.Choice(IMPORTABLE),
    help="The format; by default from FILE's name, otherwise dotenv.",
)
@click.option("--replace", is_flag=True, help="Remove the variables that are not in FILE.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--pick", metavar="NAME", default="", help="Take this environment of a FILE that has several.")
@click.option("--literal", is_flag=True, help="Keep values with {{references}} as text.")
@click.option("--expand", is_flag=True, help="Replace $NAME and ${NAME} in a dotenv FILE.")
@click.option("-i", "--identity", metavar="FILE|-", help="The file with the age identity, as age-keygen writes it.")
@click.option("--passphrase-file", metavar="FILE|-", help="The passphrase of an age file; by default it is asked for.")
@connection_options
@pass_cli
def import_variables(
    cli: Cli,
    file: str,
    environment: str | None,
    use_globals: bool,
    file_format: str | None,
    replace: bool,
    dry_run: bool,
    pick: str,
    literal: bool,
    expand: bool,
    identity: str | None,
    passphrase_file: str | None,
) -> None:
    """Read variables from FILE (or stdin for -), all in one revision. An environment that is not there is made."""
    name = cli.chosen_name(environment, use_globals)
    chosen_format = file_format or (_format_of(Path(file)) if file != "-" else None) or "dotenv"
    if chosen_format not in IMPORTABLE:
        raise CliError(f"The format {chosen_format} can only be written. Give the variables as dotenv or JSON.")
    text = _text_of(cli, file, identity, passphrase_file)
    mode: Literal["replace", "merge"] = "replace" if replace else "merge"
    try:
        plan = cli.client.import_text(
            name, chosen_format, text, mode=mode, dry_run=dry_run, pick=pick, literal=literal, expand=expand
        )
    except TooLarge:
        # The server's message is about a request body, but this person has a file.
        say(f"Nothing of {file} was stored. It is too large: an environment can have 1 MiB.")
        raise
    warn(plan.warnings)
    lists = {"added": plan.added, "changed": plan.changed, "removed": plan.removed, "unchanged": plan.unchanged}
    if cli.settings.format == "table":
        for word, names in lists.items():
            for variable in names:
                click.echo(f"{word}\t{shown(variable)}")
    else:
        print_data(cli, {**lists, "revision": plan.revision})
    where = name or "globals"
    if dry_run:
        say(f"Nothing was written. This is how {where} would change.")
    else:
        say(f"{where} is at revision {plan.revision}." if plan.revision else f"{where} is unchanged.")


def _format_of(path: Path | None) -> str | None:
    if path is None:
        return None
    return format_of(path.name)


def _text_of(cli: Cli, file: str, identity: str | None, passphrase_file: str | None) -> str:
    """Return the text of the file, in any Unicode encoding, decrypted if it is an age file."""
    from vault.cli.people.age_files import opened
    from vault.formats.files import text_of

    data = opened(cli, read_bytes(file, at_most=_FILE_MOST_BYTES), identity, passphrase_file)
    try:
        return text_of(data)
    except FormatError as error:
        raise CliError(error.message.replace("This file", "stdin" if file == "-" else file)) from error
