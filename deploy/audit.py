"""`make audit`: SBOM, licences, known vulnerabilities, and static analysis of the SDK and the command.

All findings are printed, and written to build/audit. The exit code is 0 only if each of the four checks ran and found
nothing. With OFFLINE=1, missing vulnerability data is no failure.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "deploy/requirements"
OUT = ROOT / "build/audit"
BIN = Path(sys.executable).parent
SHIPPED = "providers"
"""The largest lock of what is shipped: the server with every provider."""

ALLOWED = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0"}
    | {"Python-2.0", "Unlicense", "CNRI-Python", "LGPL-3.0-only", "LGPL-3.0-or-later", "BSD", "ZPL-2.1"}
)
"""Licences that a shipped part may have. LGPL is for psycopg, which is used as an unchanged library in its own
package.
"""

ALLOWED_FOR_TOOLS = frozenset({"GPL", "GPL-3.0-only", "GPL-3.0-or-later"})
"""Licences that a tool may have as well. Tools run as programs of their own and are not shipped (hadolint)."""

# Names from before PEP 639, which introduced licence expressions.
_OLD_NAMES = (
    (r"apache", "Apache-2.0"),
    (r"mozilla|mpl", "MPL-2.0"),
    (r"lgpl|lesser general public", "LGPL-3.0-or-later"),
    (r"gpl|general public", "GPL"),
    (r"\bisc\b", "ISC"),
    (r"\bmit\b", "MIT"),
    (r"bsd", "BSD"),
    (r"python software foundation|psf", "PSF-2.0"),
    (r"unlicense", "Unlicense"),
    (r"zope|zpl", "ZPL-2.1"),
)


def locked(lock: str) -> dict[str, str]:
    """Return the pinned packages of a lock, with their versions."""
    return dict(
        re.findall(r"^([\w.-]+)==([^\s;\\]+)", (LOCKS / f"{lock}.txt").read_text(encoding="utf-8"), re.MULTILINE)
    )


def licences_of(name: str) -> set[str]:
    """Return the licences that an installed package states. Of an `OR`, all choices are returned, and one must be
    allowed.
    """
    expression = " ".join(_told(name, "License-Expression"))
    if expression:
        return set(re.findall(r"[\w.+-]+", expression)) - {"AND", "OR", "WITH"}
    told = [item for item in _told(name, "Classifier") if item.startswith("License ::")]
    told = [item.rpartition(" :: ")[2] for item in told if item != "License :: OSI Approved"]
    text = " ".join(told) or "".join(_told(name, "License")).partition("\n")[0]
    return {name for pattern, name in _OLD_NAMES if re.search(pattern, text, re.IGNORECASE)} - _covered(text)


def _told(name: str, field: str) -> list[str]:
    return metadata.metadata(name).get_all(field) or []


def _covered(text: str) -> set[str]:
    """`LGPL` contains the letters of `GPL`, but is another licence."""
    return {"GPL"} if re.search(r"lgpl|lesser", text, re.IGNORECASE) else set()


def is_allowed(expression: str, found: set[str], allowed: frozenset[str]) -> bool:
    """Report whether one choice of an `OR`, or every part of another expression, is on the list."""
    return bool(found & allowed) if " OR " in expression else bool(found) and found <= allowed


def check_licences() -> bool:
    """Check the licence of every installed part of every lock."""
    names = {name for lock in LOCKS.glob("*.txt") for name in locked(lock.stem)}
    shipped = locked(SHIPPED)
    rows, refused, absent = [], [], []
    for name in sorted(names):
        try:
            expression = " ".join(_told(name, "License-Expression"))
            found = licences_of(name)
        except metadata.PackageNotFoundError:
            absent.append(name)
            continue
        rows.append(f"{name}\t{' '.join(sorted(found)) or 'unknown'}")
        if not is_allowed(expression, found, ALLOWED if name in shipped else ALLOWED | ALLOWED_FOR_TOOLS):
            refused.append(rows[-1])
    (OUT / "licences.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for row in refused:
        say(f"  not on the list: {row}")
    if absent:
        say(f"  not installed on this platform, so not checked: {', '.join(absent)}")
    say(f"  {len(rows)} parts, {len(refused)} with a licence that is not on the list.")
    return not refused


def make_sbom() -> bool:
    """Write the list of shipped parts as CycloneDX JSON."""
    out = OUT / "sbom.json"
    lock = LOCKS / f"{SHIPPED}.txt"
    done = run("cyclonedx-py", "requirements", "--output-reproducible", "--of", "JSON", "-o", str(out), str(lock))
    if done.returncode != 0:
        say(done.stderr)
        return False
    parts = {item["name"]: item["version"] for item in json.loads(out.read_text(encoding="utf-8"))["components"]}
    say(f"  {out.relative_to(ROOT)} lists {len(parts)} parts.")
    return parts == locked(SHIPPED)


def check_vulnerabilities() -> bool:
    """Check the shipped versions for known vulnerabilities."""
    out = OUT / "vulnerabilities.json"
    lock = str(LOCKS / f"{SHIPPED}.txt")
    words = ("--disable-pip", "--require-hashes", "--progress-spinner", "off", "--timeout", "10", "-f", "json")
    for source in ("pypi", "osv"):
        out.unlink(missing_ok=True)
        run("pip-audit", "-r", lock, *words, "-s", source, "-o", str(out))
        parts = json.loads(out.read_text(encoding="utf-8"))["dependencies"] if out.exists() else []
        # An advisory source skips parts that it does not know, and pip-audit then reports no vulnerability.
        skipped = [item["name"] for item in parts if "skip_reason" in item]
        if parts and not skipped:
            return _tell_vulnerabilities(parts, source)
        say(f"  {source}: {f'it does not know {len(skipped)} of {len(parts)} parts' if parts else 'not reached'}.")
    say("  NOT CHECKED: no advisory source could be asked about every part.")
    return os.environ.get("OFFLINE", "") == "1"


def _tell_vulnerabilities(parts: list[dict[str, Any]], source: str) -> bool:
    found = [item for item in parts if item["vulns"]]
    for item in found:
        say(f"  {item['name']} {item['version']}: {', '.join(fault['id'] for fault in item['vulns'])}")
    say(f"  {len(found)} of {len(parts)} parts have a known vulnerability, by {source}.")
    return not found


def analyse() -> bool:
    """Run ruff's rules of bandit over SDK and command, also those that ruff.toml ignores."""
    done = run("ruff", "check", "--isolated", "--select", "S", "--ignore", "S101", "vault/client", "vault/cli")
    say("  " + done.stdout.strip().replace("\n", "\n  "))
    return done.returncode == 0


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one of the tools in .venv."""
    return subprocess.run([str(BIN / program), *words], cwd=ROOT, capture_output=True, text=True, timeout=600)


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")


STEPS: tuple[tuple[str, Callable[[], bool]], ...] = (
    ("List of parts (SBOM)", make_sbom),
    ("Licences", check_licences),
    ("Known vulnerabilities", check_vulnerabilities),
    ("Static analysis of vault/client and vault/cli", analyse),
)


def main() -> None:
    """Run all four checks, and report which failed."""
    OUT.mkdir(parents=True, exist_ok=True)
    failed = []
    for title, step in STEPS:
        say(f"{title}:")
        if not step():
            failed.append(title)
    if failed:
        sys.exit(f"Not clean: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
