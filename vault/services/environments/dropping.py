"""Which old revisions a write deletes.

An author's own revisions beyond `max_versions` go at once. Otherwise a revision stays for some days, and the newest one
of each author stays after that. So nobody can push the work of others out of the history by writing often.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from vault.model.principal import PrincipalKind, kind_and_id
from vault.storage import OldRevision

KEPT_MOST = 1000
"""How many revisions beyond `max_versions` an environment keeps."""


def author_of(label: str) -> str:
    """Return the author in a principal's label. All sessions are the same person, each token is its own author."""
    kind, _ = kind_and_id(label)
    return kind if kind == PrincipalKind.SESSION else label


def to_drop(
    old: Sequence[OldRevision], newer: Mapping[str, int], writer_label: str, most: int, kept_after_us: int
) -> list[OldRevision]:
    """Return what a write by `writer_label` deletes of `old`, the revisions beyond the newest `most`, oldest first.

    `newer` has the labels of those who wrote the newest `most` revisions, and how many each of them wrote.
    """
    writer, written = author_of(writer_label), Counter[str]()
    for label, count in newer.items():
        written[author_of(label)] += count
    found = []
    for revision in reversed(old):
        author = author_of(revision.created_by)
        written[author] += 1
        is_last, is_surplus = written[author] == 1, author == writer and written[author] > most
        if is_surplus or not (is_last or revision.created_us > kept_after_us):
            found.append(revision)
    return found[::-1]


def beyond_most(kept: Sequence[OldRevision]) -> list[OldRevision]:
    """Return what is above `KEPT_MOST` of the kept revisions: those of tokens first, the oldest first."""
    surplus = max(0, len(kept) - KEPT_MOST)
    return sorted(kept, key=lambda each: (author_of(each.created_by) == PrincipalKind.SESSION, each.number))[:surplus]
