"""JSON that other stores answer or export, with variables somewhere inside.

What is known is taken. What is known to hold no variables, or to be another format, is refused with what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from vault.errors import FormatError, InvalidInput
from vault.formats.doubts import SOPS
from vault.model import strict_json
from vault.model.budgets import FILE_ITEMS_MOST
from vault.model.strict_json import WrittenJson

Pairs = list[tuple[str, str | None]]
"""Names and values. None is a null: the file does not state the value."""

Reader = Callable[[Mapping[str, WrittenJson]], "Wrapped | None"]


@dataclass(frozen=True, slots=True)
class Wrapped:
    """The variables of a known answer or export. `what` tells a person what it is. `unstated` are the names of fields
    that were never filled in.
    """

    what: str
    variables: Pairs = field(repr=False)
    unstated: tuple[str, ...] = ()


def unwrapped(text: str) -> Wrapped | None:
    """Return the variables of a known answer or export, or None for anything else. Raises `FormatError`."""
    try:
        content = strict_json.parse_written(text.encode(errors="surrogatepass"), FILE_ITEMS_MOST)
    except InvalidInput:
        # The reader of plain objects says what is wrong, and where.
        return None
    if isinstance(content, Mapping):
        _refuse_others(content)
        return _first(content, _vault, _doppler, _doppler_api, _secrets, _one_password, _secrets_manager, _terraform)
    return _listed(content) if _is_list(content) else None


def _first(content: Mapping[str, WrittenJson], *readers: Reader) -> Wrapped | None:
    return next((found for read in readers if (found := read(content)) is not None), None)


def _refuse_others(content: Mapping[str, WrittenJson]) -> None:
    if content.get("kind") == "Secret" and "apiVersion" in content:
        raise FormatError("This is a Kubernetes Secret. Choose the format kubernetes.")
    if content.get("kind") == "SealedSecret":
        raise FormatError("This is a SealedSecret of Kubernetes, which only its cluster can open.")
    if _is_postmans_dump(content):
        raise FormatError("This is a dump of all data from Postman. Choose the format postman.")
    if _is_postmans_set(content) or _is_postmans_set(content.get("environment")):
        raise FormatError("This is an environment of Postman. Choose the format postman.")
    if isinstance(content.get("encrypted"), bool) and ("items" in content or "data" in content):
        raise FormatError(
            "This is an export of a Bitwarden vault. It has logins, not variables. Write the ones that you need to a "
            "dotenv file, or export a project of Bitwarden Secrets Manager."
        )
    if any(_is_parameter(each) for each in (content.get("Parameter"), *_items(content.get("Parameters")))):
        raise FormatError(
            "This is an answer of AWS Systems Manager. The names of its parameters are paths. Write the ones that you "
            "need to a dotenv file."
        )
    if any(isinstance(each, Mapping) and "key" in each and "target" in each for each in _items(content.get("envs"))):
        raise FormatError(
            "This is an answer of Vercel, which may have encrypted the values. Use `vercel env pull`, and import the "
            "file that it writes."
        )
    if isinstance(content.get("sops"), Mapping):
        raise FormatError(SOPS)


def _items(content: WrittenJson) -> Sequence[WrittenJson]:
    return content if _is_list(content) else ()


def _is_parameter(content: WrittenJson) -> bool:
    return isinstance(content, Mapping) and content.keys() >= {"Name", "Type", "Value"}


def _is_postmans_dump(content: Mapping[str, WrittenJson]) -> bool:
    """Report whether only Postman writes this. As plain JSON it would give the variables `environments` and `globals`,
    and an import that replaces everything would remove what is stored.
    """
    found = content.get("environments")
    if isinstance(found, Mapping):
        found = list(found.values())
    if not _is_list(found):
        return False
    is_whole = any(_is_list(content.get(word)) for word in ("globals", "collections"))
    return is_whole or any(_is_postmans_set(each) for each in found)


def _is_postmans_set(content: WrittenJson) -> bool:
    """Report whether this is one environment, or the globals, as Postman writes them."""
    if not isinstance(content, Mapping):
        return False
    values = content.get("values")
    if not _is_list(values):
        return False
    is_named = any(word in content for word in ("_postman_variable_scope", "id", "name"))
    return is_named or any(isinstance(entry, Mapping) and "key" in entry for entry in values)


def _is_list(content: WrittenJson) -> TypeGuard[Sequence[WrittenJson]]:
    return isinstance(content, Sequence) and not isinstance(content, str)


def _vault(content: Mapping[str, WrittenJson]) -> Wrapped | None:
    data = content.get("data")
    if "request_id" not in content or not isinstance(data, Mapping):
        return None
    inner = data.get("data")
    if isinstance(data.get("metadata"), Mapping):
        if not isinstance(inner, Mapping):
            raise FormatError("This answer of Vault has no data: the version was deleted.")
        data = inner
    return Wrapped("an answer of Vault", [(name, _text(value)) for name, value in data.items()])


def _doppler(content: Mapping[str, WrittenJson]) -> Wrapped | None:
    pairs: Pairs = []
    for name, entry in content.items():
        if not isinstance(entry, Mapping) or "computed" not in entry:
            return None
        pairs.append((name, _text(entry["computed"])))
    return Wrapped("a list of secrets from Doppler", pairs) if content else None


def _doppler_api(content: Mapping[str, WrittenJson]) -> Wrapped | None:
    secrets = content.get("secrets")
    return _doppler(secrets) if isinstance(secrets, Mapping) else None


def _secrets(content: Mapping[str, WrittenJson]) -> Wrapped | None:
    """Infisical's API and the export of Bitwarden Secrets Manager have the list under this name."""
    secrets = content.get("secrets")
    return _listed(secrets) if _is_list(secrets) else None


def _one_password(content: Mapping[str, WrittenJson]) -> Wrapped | None:
    fields = content.get("fields")
    if "category" not in content or not _is_list(fields):
        return None
    # A field that was left empty has no value. Every item has some, as its template has them.
    entries = [entry for entry in fields if isinstance(entry, Mapping)]
    filled = [entry for entry in entries if entry.get("value") is not None]
    empty = [entry.get("label") for entry in entries if entry.get("value") is None]
    unstated = tuple(label for label in empty if isinstance(label, str))
    return Wrapped("an item of 1Password", list(_pairs(filled, "label", "value")), unstated)


def _secrets_manager(content: Mapping[str, WrittenJson]) -> Wrapped | None:
    """`aws secretsmanager get-secret-value` has the variables as the text of a JSON object."""
    secret = content.get("SecretString")
    if "ARN" not in content or not isinstance(secret, str):
        return None
    try:
        inner = strict_json.parse_written(secret.encode(errors="surrogatepass"), FILE_ITEMS_MOST)
    except InvalidInput:
        inner = None
    if not isinstance(inner, Mapping):
        raise FormatError("This answer of AWS Secrets Manager has one text, and no variables.")
    return Wrapped("an answer of AWS Secrets Manager", [(name, _text(value)) for name, value in inner.items()])


def _terraform(content: Mapping[str, WrittenJson]) -> Wrapped | None:
    """`terraform output -json` writes an object of these three for each output."""
    pairs: Pairs = []
    for name, entry in content.items():
        if not isinstance(entry, Mapping) or not entry.keys() >= {"sensitive", "type", "value"}:
            return None
        pairs.append((name, _text(entry["value"])))
    return Wrapped("an output of Terraform", pairs) if content else None


def _listed(content: Sequence[WrittenJson]) -> Wrapped | None:
    """`infisical export` and `bws secret list` write lists of keys and values."""
    for key, value in (("key", "value"), ("secretKey", "secretValue"), ("name", "value")):
        entries = [entry for entry in content if isinstance(entry, Mapping) and key in entry]
        if len(entries) == len(content) and any(value in entry for entry in entries):
            return Wrapped("a list of secrets, as Infisical and Bitwarden write it", list(_pairs(content, key, value)))
    return None


def _pairs(entries: Sequence[WrittenJson], key: str, value: str) -> Iterator[tuple[str, str | None]]:
    for number, entry in enumerate(entries, 1):
        if isinstance(entry, Mapping):
            name = entry.get(key)
            if not isinstance(name, str):
                raise FormatError(f"Entry {number}: its {key} must be a text.")
            yield name, _text(entry.get(value))


def _text(value: WrittenJson) -> str | None:
    return value if value is None or isinstance(value, str) else strict_json.dumps(value)
