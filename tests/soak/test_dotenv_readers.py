"""2,000 generated values, alone and in files of several, for every dotenv reader."""

from __future__ import annotations

from pathlib import Path

from tests.interop.test_dotenv_readers import check_values, generated


def test_each_reader_reads_2000_values_or_is_named(tmp_path: Path) -> None:
    check_values(generated(2000), tmp_path)
