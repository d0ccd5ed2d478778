"""What is doubtful about the server's certificate and its key: `serve` warns of it, and `doctor` reports it."""

from __future__ import annotations

import datetime
import stat
from pathlib import Path

from vault.cli.people.doctor import Finding, Verdict

_ENDS_SOON_DAYS = 14


def look_at(certificate: Path, key: Path | None, now: datetime.datetime) -> Finding:
    """Return the most serious finding about the files. Raises `OSError` if one cannot be read, and `ValueError` for
    what is no certificate.
    """
    finding = _dates(certificate, now)
    if finding.verdict != "bad" and key is not None and key.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        sentence = f"Every account on this machine can read or change the key {key}. Use: chmod o-rw {key}"
        return Finding("certificate", "warning", sentence)
    return finding


def _dates(path: Path, now: datetime.datetime) -> Finding:
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begins:
        return _finding("bad", f"{path} is not valid before {begins:%Y-%m-%d %H:%M} UTC. Is the clock right?")
    if now > ends:
        return _finding("bad", f"{path} expired on {ends:%Y-%m-%d %H:%M} UTC. Replace it.")
    days = (ends - now).days
    return _finding("warning" if days < _ENDS_SOON_DAYS else "ok", f"{path} is valid for {days} more days.")


def _finding(verdict: Verdict, sentence: str) -> Finding:
    return Finding("certificate", verdict, sentence)
