"""Kubernetes: a `v1` `Secret` with base64 values in `data`. `stringData` is read too, and overrides `data` as in
Kubernetes.

It can carry any text, but few names: only letters, digits, `-`, `_` and `.`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence

from vault.errors import FormatError
from vault.formats.base import (
    BYTE_ORDER_MARK,
    UNNAMED,
    Collector,
    ParsedFile,
    Rendered,
    Source,
    error_at,
    left_out,
    writable,
)
from vault.formats.tree import Mapping, Node, Scalar, refuse_sops
from vault.model.environment import Variable
from vault.model.printable import shown

# From IsConfigMapKey and NameIsDNSSubdomain in k8s.io/apimachinery, and MaxSecretSize in k8s.io/api/core/v1.
_KEY = re.compile(r"(?!\.\.)(?!\.\Z)[-._a-zA-Z0-9]{1,253}")
_UNFIT_IN_OBJECT_NAME = re.compile(r"[^a-z0-9]+")
_OBJECT_NAME_MOST = 253
_SECRET_MOST_BYTES = 1024 * 1024


class KubernetesFormat:
    """One Secret; see the top of this file."""

    name = "kubernetes"
    media_type = "application/yaml"
    suffix = ".secret.yaml"
    ends = (suffix, ".secret.yml")
    can_parse = True
    keeps_disabled = False
    reads_references = False
    writes_values = True

    def parse(self, text: str) -> ParsedFile:
        """Parse one Secret, in YAML or JSON. Raises `FormatError`, also for values that are not text."""
        # Import here, because most commands never read YAML.
        from vault.formats.yaml_tree import read_tree

        root = read_tree(text.removeprefix(BYTE_ORDER_MARK))
        if not isinstance(root, Mapping) or _text_of(root.get("kind")) != "Secret":
            raise error_at(root.place, "this must be a Kubernetes Secret (kind: Secret)")
        refuse_sops(root)
        collector = Collector()
        found: dict[str, tuple[str | None, str]] = {}
        for name, value in _members(root, "data"):
            found[name.text] = None if value.is_null else _decoded(name, value), name.place
        for name, value in _members(root, "stringData"):
            if not value.is_text and not value.is_null:
                collector.warnings.append(f"{shown(name.text)} is not a string. Its text is used as it is written.")
            found[name.text] = None if value.is_null else value.text, name.place
        for key, (content, place) in found.items():
            if content is None:
                collector.state_null(key, place)
            else:
                collector.add_once(key, content, place)
        return collector.finish()

    def render(self, variables: Sequence[Variable], source: Source = UNNAMED) -> Rendered:
        """Write one Secret, named after the environment. Names that Kubernetes refuses are left out with a warning."""
        warnings: list[str] = []
        lines, size = [], 0
        for variable in writable(variables, warnings):
            if not _KEY.fullmatch(variable.name):
                warnings.append(left_out(variable, "a Secret's key can only have letters, digits, '-', '_' and '.'"))
                continue
            value = variable.text.encode()
            size += len(value)
            lines.append(f'  "{variable.name}": "{base64.b64encode(value).decode()}"\n')
        if size > _SECRET_MOST_BYTES:
            warnings.append("The values are larger than 1 MiB together. Kubernetes refuses such a Secret.")
        head = f'apiVersion: v1\nkind: Secret\nmetadata:\n  name: "{_object_name(source.name)}"\ntype: Opaque\n'
        return Rendered(head + ("data:\n" + "".join(lines) if lines else "data: {}\n"), tuple(warnings))


def _members(root: Mapping, section: str) -> Iterator[tuple[Scalar, Scalar]]:
    node = root.get(section)
    if node is None or (isinstance(node, Scalar) and not node.is_text):
        # Kubernetes itself writes an empty section as `data: null`.
        return
    if not isinstance(node, Mapping):
        raise error_at(node.place, f"{section} must be a mapping of names to texts")
    seen: dict[str, str] = {}
    for name, value in node.items:
        if not isinstance(value, Scalar):
            raise error_at(value.place, f"the value of {shown(name.text)} must be a text")
        if name.text in seen:
            raise error_at(name.place, f"{shown(name.text)} is repeated here; the first one is on {seen[name.text]}")
        seen[name.text] = name.place
        yield name, value


def _decoded(name: Scalar, value: Scalar) -> str:
    try:
        return base64.b64decode("".join(value.text.split()), validate=True).decode()
    except UnicodeDecodeError:
        raise _bad_value(name, "not UTF-8 text. A variable can only contain text") from None
    except (binascii.Error, ValueError):
        raise _bad_value(name, "not base64") from None


def _bad_value(name: Scalar, what: str) -> FormatError:
    return error_at(name.place, f"the value of {shown(name.text)} is {what}")


def _text_of(node: Node | None) -> str | None:
    return node.text if isinstance(node, Scalar) else None


def _object_name(name: str) -> str:
    """Return the environment's name as Kubernetes accepts it: lower-case letters, digits and dashes."""
    fit = _UNFIT_IN_OBJECT_NAME.sub("-", name.lower())[:_OBJECT_NAME_MOST].strip("-")
    return fit or "strongroom"
