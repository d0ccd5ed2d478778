"""Import and export. An import shows its plan before it is applied. An export is a download."""

from __future__ import annotations

import base64
import binascii
import re
import threading
from collections.abc import Callable, Sequence
from urllib.parse import quote

from flask import Response, request

from vault.crypto import age
from vault.errors import Conflict, FormatError, InvalidInput, NotFound, StrongroomError, Unavailable
from vault.formats import FORMATS, Format, ParsedFile
from vault.formats.files import ENCRYPTED_END, format_of, text_of
from vault.http import environment_route, principal, services, transaction
from vault.model.environment import GLOBALS, Environment, EnvironmentKind, EnvironmentRef, looks_like_id
from vault.services.environments.files import Imported, format_named, parse_file
from vault.services.environments.variables import NO_PRECONDITION, Precondition
from vault.storage import UnitOfWork
from vault.web.frame.addresses import called, home
from vault.web.frame.blueprint import new_blueprint
from vault.web.frame.problems import refused
from vault.web.frame.request import field, render, see
from vault.web.pages.environment_frame import frame, read_before

blueprint = new_blueprint("files")

_HARD_PATH = "/export/passphrase"
_ONE_AT_A_TIME = threading.Lock()
"""How many passphrase exports a worker runs at once: each needs 256 MiB for a second. They do not use the pool of
logins. Exports have no throttle, so a person who is logged in could fill that pool and nobody else could log in.
"""

READABLE = tuple(name for name, item in FORMATS.items() if item.can_parse)

_UNFIT = re.compile(r"[^\w.-]+")


@environment_route(blueprint, "/import", "GET")
def show_import(env: EnvironmentRef = GLOBALS) -> Response:
    """Show the form for a file or a text."""
    return _import_form(env)


@environment_route(blueprint, "/import", "POST")
def import_file(env: EnvironmentRef = GLOBALS) -> Response:
    """Show what an import would do, or apply it. The form of the plan sends the text again, because nothing is
    stored.
    """
    listing = services().environments.variables.list(principal(), env)
    text = ""
    try:
        text = _text()
        chosen = field("format") or format_of(_file_name()) or "dotenv"
        parsed = parse_file(chosen, text, field("pick"), literal=bool(field("literal")), expand=bool(field("expand")))
        if "apply" in request.form:
            return _applied(env, parsed)
        plan = transaction(lambda unit: _imported(unit, env, parsed, NO_PRECONDITION, dry_run=True))
    except (InvalidInput, Conflict) as error:
        return _import_form(env, error, text if not _file_name() else "")
    packed = base64.b64encode(text.encode()).decode()
    about: dict[str, object] = {
        "imported": plan,
        "packed": packed,
        "format": chosen,
        "mode": field("mode"),
        "pick": field("pick"),
        "literal": field("literal"),
        "expand": field("expand"),
    }
    return render("plan.html", **frame(listing.environment, "import"), **about, etag=listing.etag)


@environment_route(blueprint, "/export", "GET")
def show_export(env: EnvironmentRef = GLOBALS) -> Response:
    """Show the export formats, with a warning."""
    return _export_form(env)


@environment_route(blueprint, "/export", "POST")
def export_file(env: EnvironmentRef = GLOBALS) -> Response:
    """Send the file as a download, as plain text or encrypted to some keys."""

    def recipients() -> list[age.Recipient]:
        keys = field("recipients").replace(",", " ").split()
        if not keys and "sealed" in request.form:
            raise FormatError("Give at least one key. Keys start with age1.")
        if len(keys) > age.RECIPIENTS_MOST:
            # Reading and using 24,000 keys took ten seconds.
            raise FormatError(f"Give at most {age.RECIPIENTS_MOST} keys.")
        return [age.X25519Recipient.from_text(key) for key in keys]

    return _exported(env, recipients, "recipients")


@blueprint.post(_HARD_PATH)
def export_with_passphrase() -> Response:
    """Send the file as a download, encrypted with a passphrase."""

    def passphrase() -> list[age.Recipient]:
        if field("passphrase") != field("again"):
            raise FormatError("The two passphrases are different.")
        return [age.Passphrase(field("passphrase"))]

    environment = field("environment")
    if environment and not looks_like_id(environment):
        # The id comes from the form, and a database cannot look up every text, for example one with a NUL.
        raise NotFound()
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        raise Unavailable("Another file is being encrypted. Go back and try again in a moment.")
    try:
        return _exported(environment or GLOBALS, passphrase, "passphrase")
    finally:
        _ONE_AT_A_TIME.release()


def _applied(env: EnvironmentRef, parsed: ParsedFile) -> Response:
    known = read_before(field("etag"))
    transaction(lambda unit: _imported(unit, env, parsed, known, dry_run=False))
    return see(home(env), "imported")


def _imported(
    unit: UnitOfWork, env: EnvironmentRef, parsed: ParsedFile, known: Precondition, *, dry_run: bool
) -> Imported:
    modes = {"replace_all": field("mode") == "replace", "dry_run": dry_run}
    return services().environments.files.import_file(unit, principal(), env, parsed, known, **modes)


def _file_name() -> str:
    file = request.files.get("file")
    return file.filename or "" if file is not None else ""


def _text() -> str:
    """Return the text to import: from the plan's form, an uploaded file, or the text field."""
    if field("packed"):
        try:
            return base64.b64decode(field("packed"), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise InvalidInput("This form is damaged. Start the import again.") from error
    if not _file_name():
        if not field("text").strip():
            raise InvalidInput("Choose a file, or paste its text into the field.")
        # Forms send line ends as CR LF.
        return field("text").replace("\r\n", "\n")
    data = request.files["file"].read()
    if age.is_age(data):
        raise FormatError("This file is encrypted with age. Decrypt it first, or use the command `strongroom import`.")
    return text_of(data)


def _import_form(env: EnvironmentRef, error: StrongroomError | None = None, text: str = "") -> Response:
    environment = services().environments.environments.get(principal(), env)
    about: dict[str, object] = {
        "formats": READABLE,
        "text": text,
        "format": field("format"),
        "mode": field("mode"),
        "pick": field("pick"),
        "literal": field("literal"),
        "expand": field("expand"),
    }
    if error is None:
        return render("import.html", **frame(environment, "import"), **about)
    status = refused(error)
    return render("import.html", status, **frame(environment, "import"), **about, error=error.message)


def _exported(env: EnvironmentRef, readers: Callable[[], Sequence[age.Recipient]], wrong: str) -> Response:
    try:
        chosen, sealed_for = format_named(field("format")), readers()
        rendered = services().environments.files.export_text(principal(), env, chosen.name)
    except InvalidInput as error:
        return _export_form(env, refused(error), error=error.message, wrong=error.path or wrong)
    if rendered.warnings and "anyway" not in request.form:
        return _export_form(env, warnings=rendered.warnings)
    content, name = rendered.text.encode(), _name_of(services().environments.environments.get(principal(), env), chosen)
    if sealed_for:
        return _download(age.encrypt(content, sealed_for), name + ENCRYPTED_END, "application/octet-stream")
    return _download(content, name, f"{chosen.media_type}; charset=utf-8")


def _name_of(environment: Environment, chosen: Format) -> str:
    """Return the file's name. Postman uses another suffix for globals."""
    end = chosen.suffix
    if environment.kind is EnvironmentKind.GLOBALS:
        end = end.replace("_environment.json", "_globals.json")
    return _UNFIT.sub("-", called(environment)) + end


def _download(content: bytes, name: str, content_type: str) -> Response:
    response = Response(content, content_type=content_type)
    # RFC 6266: the full name, and an ASCII name for older clients.
    names = {"filename": name.encode("ascii", "ignore").decode(), "filename*": f"UTF-8''{quote(name, safe='')}"}
    response.headers.set("Content-Disposition", "attachment", **names)
    return response


def _export_form(env: EnvironmentRef, status: int = 200, /, **told: object) -> Response:
    environment = services().environments.environments.get(principal(), env)
    about: dict[str, object] = {
        "formats": tuple(FORMATS),
        "format": field("format") or "dotenv",
        "hard_path": _HARD_PATH,
    }
    return render("export.html", status, **frame(environment, "export"), **about, **told)
