"""Models of two dotenv readers that are written in Go, made from their sources. They are not the readers themselves.

- godotenv: github.com/joho/godotenv v1.5.1, parser.go.
- docker compose: github.com/compose-spec/compose-go v2, dotenv/parser.go. Its expansion of `$` is not modelled: a value
  in which it would look for a variable is read as `EXPANDED`.
"""

from __future__ import annotations

import re

EXPANDED = "(a value that docker compose expands)"

_SPACES = "\t\v\f\r \x85\xa0"
_ALL_SPACES = _SPACES + "\n\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_VARIABLE = re.compile(r"(\\)?(\$)(\()?\{?([A-Z0-9_]+)?\}?")
_COMPOSE_ESCAPE = re.compile(r'\\([abcfnrtv$"\\]|0[0-9]{0,3})')
_GO_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}


class Refused(Exception):
    """The reader refuses the whole file."""


def godotenv(text: str) -> dict[str, str]:
    """Return what godotenv reads. Raises `Refused`."""
    rest, found = text.replace("\r\n", "\n"), dict[str, str]()
    while rest := _statement(rest):
        name, rest = _name(rest, "_.", "=:")
        found[name], rest = _godotenv_value(rest, found)
    return found


def compose(text: str) -> dict[str, str]:
    """Return what docker compose reads. Raises `Refused`."""
    rest, found = text, dict[str, str]()
    while rest := _statement(rest):
        name, rest = _name(rest, "_.-[]", "=:\n")
        if " " in name:
            raise Refused
        found[name], rest = _compose_value(rest)
    return found


def _statement(text: str) -> str:
    text = text.lstrip(_ALL_SPACES)
    while text.startswith("#"):
        text = text[text.index("\n") :].lstrip(_ALL_SPACES) if "\n" in text else ""
    return text


def _name(text: str, signs: str, ends: str) -> tuple[str, str]:
    text = re.sub(rf"\Aexport[{_SPACES}]+", "", text)
    for position, sign in enumerate(text):
        if sign in ends:
            return text[:position].rstrip(_ALL_SPACES), text[position + 1 :].lstrip(_SPACES)
        if not sign.isalnum() and sign not in signs + _SPACES:
            raise Refused
    return "", text


def _godotenv_value(text: str, known: dict[str, str]) -> tuple[str, str]:
    quote = text[:1]
    if quote not in ("'", '"'):
        line = re.split(r"[\n\r]", text, maxsplit=1)[0]
        # The last comment sign after a space counts.
        signs = [at for at in range(1, len(line)) if line[at] == "#" and line[at - 1] in _SPACES]
        return _godotenv_expanded((line[: signs[-1]] if signs else line).strip(_SPACES), known), text[len(line) :]
    end = next((at for at in range(1, len(text)) if text[at] == quote and text[at - 1] != "\\"), None)
    if end is None:
        raise Refused
    value = text[:end].strip(quote)
    if quote == '"':
        value = re.sub(r"\\.", lambda match: {"\\n": "\n", "\\r": "\r"}.get(match[0], match[0]), value)
        value = _godotenv_expanded(re.sub(r"\\([^$])", r"\1", value), known)
    return value, text[end + 1 :]


def _godotenv_expanded(value: str, known: dict[str, str]) -> str:
    def expanded(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        return known.get(match[4], "") if match[4] else match[0]

    return _VARIABLE.sub(expanded, value)


def _compose_value(text: str) -> tuple[str, str]:
    quote = text[:1]
    if quote not in ("'", '"'):
        line, _, rest = text.partition("\n")
        value = line.partition(" #")[0].rstrip(_ALL_SPACES)
        return (EXPANDED if "$" in value else value), rest
    signs, is_escaped = list[str](), False
    for position, sign in enumerate(text[1:], 1):
        if sign == quote and not is_escaped:
            value = "".join(signs)
            return (_compose_unescaped(value) if quote == '"' else value), text[position + 1 :]
        if sign == "\\" and not is_escaped:
            is_escaped = True
            continue
        signs.append(f"\\{sign}" if is_escaped and sign != quote else sign)
        is_escaped = False
    raise Refused


def _compose_unescaped(value: str) -> str:
    if "$" in value:
        return EXPANDED
    return _COMPOSE_ESCAPE.sub(lambda match: _GO_ESCAPES.get(match[1], match[0]), value)
