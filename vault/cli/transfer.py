"""`strongroom export` and `import`: files of other programs."""

from __future__ import annotations

from pathlib import Path

import click

from vault.cli.context import Cli
from vault.cli.files import read_text, write_private
from vault.cli.options import connection_options, pass_cli, set_options
from vault.cli.render import print_data
from vault.cli.words import say, warn

# By name here, so that the help is printed without importing the formats.
_FORMATS = ("dotenv", "json", "yaml", "shell")
_IMPORTABLE = ("dotenv", "json")
_BY_SUFFIX = {".env": "dotenv", ".json": "json", ".yaml": "yaml", ".yml": "yaml", ".sh": "shell"}


@click.command("export")
@set_options
@click.option("--format", "file_format", type=click.Choice(_FORMATS), help="By default told by FILE, else dotenv.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write here, mode 0600.")
@click.option("--force", is_flag=True, help="Replace FILE where it exists.")
@click.option("--resolve", is_flag=True, help="As services get them: globals beneath, references resolved.")
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
) -> None:
    """Write the enabled variables to stdout or FILE. What a format cannot carry is left out with a warning."""
    chosen = cli.chosen_set(environment, use_globals)
    name = file_format or _format_of(output) or "dotenv"
    rendered = chosen.render(name) if resolve else chosen.export(name)
    warn(rendered.warnings)
    if output is None:
        click.echo(rendered.text, nl=False)
    else:
        write_private(output, rendered.text, replace=force)
        say(f"Wrote {output}, for you alone to read.")


@click.command("import")
@click.argument("file", metavar="FILE|-")
@set_options
@click.option("--format", "file_format", type=click.Choice(_IMPORTABLE), help="By default told by FILE, else dotenv.")
@click.option("--replace", is_flag=True, help="Remove the variables that FILE does not hold.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
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
) -> None:
    """Read variables from FILE (or stdin for -), all in one revision. An environment that is not there is made."""
    name = cli.chosen_name(environment, use_globals)
    chosen_format = file_format or (_format_of(Path(file)) if file != "-" else None) or "dotenv"
    mode = "replace" if replace else "merge"
    plan = cli.client.import_text(name, chosen_format, read_text(file), mode=mode, dry_run=dry_run)  # type: ignore[arg-type] # one of the two words
    warn(plan.warnings)
    lists = {"added": plan.added, "changed": plan.changed, "removed": plan.removed, "unchanged": plan.unchanged}
    if cli.settings.format == "table":
        for word, names in lists.items():
            for variable in names:
                click.echo(f"{word}\t{variable}")
    else:
        print_data(cli, {**lists, "revision": plan.revision})
    where = name or "globals"
    if dry_run:
        say(f"Nothing was written: this is what would become of {where}.")
    else:
        say(f"{where} is at revision {plan.revision}." if plan.revision else f"{where} stays as it was.")


def _format_of(path: Path | None) -> str | None:
    return None if path is None else "dotenv" if path.name.startswith(".env") else _BY_SUFFIX.get(path.suffix)
