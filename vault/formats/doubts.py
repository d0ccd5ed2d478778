"""What the author of a file may not have meant: values that another tool has encrypted, and invisible characters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vault.model.names import code_of
from vault.model.printable import is_invisible, shown

_SEALED = (
    (re.compile(r"ENC\[AES256_GCM,"), "SOPS has encrypted", "Decrypt the file with sops first"),
    (re.compile(r"encrypted:[A-Za-z0-9+/]"), "dotenvx has encrypted", "Decrypt the file with dotenvx first"),
    (re.compile(r"\$ANSIBLE_VAULT;"), "Ansible Vault has encrypted", "Decrypt it with ansible-vault first"),
    (re.compile(r"vault:v[0-9]+:"), "Vault's transit engine has encrypted", "Decrypt it with that engine first"),
    (re.compile(r"\{cipher\}"), "Spring Cloud Config has encrypted", "Decrypt it there first"),
    (re.compile(r"-----BEGIN AGE ENCRYPTED FILE-----"), "age has encrypted", "Decrypt it with age first"),
    (re.compile(r"-----BEGIN PGP MESSAGE-----"), "PGP has encrypted", "Decrypt it with gpg first"),
    (re.compile(r"ENC\[(PKCS7|GPG|GKMS|KMS),"), "hiera-eyaml has encrypted", "Decrypt the file with eyaml first"),
    (re.compile(r"EJ\[1:"), "ejson has encrypted", "Decrypt the file with ejson first"),
    (re.compile(r"ref\+[a-z0-9]+://"), "Another store holds", "Resolve the references with `vals eval` first"),
    (re.compile(r"(>>)?vault:[\w./-]+#"), "Vault holds", "Resolve the references of bank-vaults first"),
    (re.compile(r"op://"), "1Password holds", "Resolve the references with `op inject` first"),
)
SOPS = "SOPS has encrypted this file. Decrypt it with sops first."
_ENDS_VISIBLY = " \t\r\n"


def sealed_by(text: str) -> str:
    """Return which tool has encrypted a text and what to do, as the end of a sentence. Empty if none has."""
    start = text[:64].lstrip()
    return next((f"{tool} {{}}. {advice}." for pattern, tool, advice in _SEALED if pattern.match(start)), "")


def doubts(name: str, value: str) -> Iterator[str]:
    """Yield a warning for each thing in a value that its author may not have meant."""
    sealed = sealed_by(value)
    if sealed:
        yield sealed.format(f"the value of {shown(name)}, which is used as it is written")
    for sign in dict.fromkeys(value[:1] + value[-1:]):
        if (is_invisible(sign) or not sign.isprintable()) and sign not in _ENDS_VISIBLY:
            yield f"The value of {shown(name)} begins or ends with the invisible character {code_of(sign)}."
