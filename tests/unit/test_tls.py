"""One place makes the TLS contexts for outgoing calls, and each of them verifies."""

from __future__ import annotations

import ast
import ssl
from pathlib import Path

import pytest

from vault.tls import verifying_context

ROOT = Path(__file__).parents[2]

MAKE_THEIR_OWN = {
    "vault/tls.py": "the one place",
    "vault/cli/people/doctor.py": "looks at a certificate that may be wrong, and sends nothing",
    "vault/settings/files.py": "tries whether the server's own certificate and key fit",
}
"""The files that make a context, and why."""


def test_it_verifies_chain_and_name_with_tls_1_2_or_newer() -> None:
    context = verifying_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("nothing", ["", b"", "no certificate here"])
def test_a_text_without_certificates_never_means_the_systems_authorities(nothing: str | bytes) -> None:
    with pytest.raises(ssl.SSLError):
        verifying_context(authorities=nothing)


def test_a_file_that_has_no_certificate_or_is_not_there_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(ssl.SSLError):
        verifying_context(empty)
    with pytest.raises(FileNotFoundError):
        verifying_context(tmp_path / "absent.pem")


def makers(source: str) -> bool:
    """Whether the code makes a context itself."""
    names = {"SSLContext", "create_default_context", "_create_unverified_context", "_create_stdlib_context"}
    return any(
        isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in names
        for node in ast.walk(ast.parse(source))
    )


def test_no_other_file_makes_a_context() -> None:
    files = (ROOT / "vault").rglob("*.py")
    found = {str(path.relative_to(ROOT)) for path in files if makers(path.read_text(encoding="utf-8"))}
    assert found == MAKE_THEIR_OWN.keys()


@pytest.mark.parametrize("line", ["ssl.create_default_context()", "SSLContext(ssl.PROTOCOL_TLS_CLIENT)"])
def test_the_search_finds_what_it_looks_for(line: str) -> None:
    assert makers(f"import ssl\ncontext = {line}\n")
    assert not makers("context: ssl.SSLContext = given")
