"""What was written after a revision that a caller has read."""

from __future__ import annotations

import pytest

from tests.support.vaults import FakeClock, add_environment, add_token, as_token, grant, patch, write
from vault.errors import NotFound, NotGranted
from vault.model.principal import Principal
from vault.services import Services


def test_the_differences_and_the_authors_of_all_newer_revisions_are_told(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    add_environment(vault, ada, "prod", A="1", B="2", C="3")
    service = as_token(vault, add_token(vault, ada, grant("read,update", path="prod"), name="ci").secret)
    patch(vault, ada, "prod", A="2", D="4")
    clock.advance(5)
    patch(vault, service, "prod", A="1", B=None)
    news = vault.environments.history.news(ada, "prod", 1)
    assert news.changes is not None
    assert [(change.name, change.kind) for change in news.changes] == [("D", "added"), ("B", "removed")]
    assert [(revision.number, revision.created_by) for revision in news.newer] == [(3, service.label), (2, ada.label)]
    assert news.newer[0].created_us == clock()
    assert news.newer[0].variables is None
    assert [item.name for item in news.listing.outlines] == ["A", "C", "D"]
    assert news.listing == vault.environments.variables.list(ada, "prod")


@pytest.mark.parametrize("known", [1, 2, 99])
def test_without_the_callers_revision_there_are_no_differences(vault: Services, ada: Principal, known: int) -> None:
    add_environment(vault, ada, "prod", A="1")
    write(vault, lambda unit: vault.environments.environments.change(unit, ada, "prod", {"max_versions": 1}))
    for number in range(2):
        patch(vault, ada, "prod", A=str(number + 2))
    news = vault.environments.history.news(ada, "prod", known)
    assert news.changes is None
    assert [revision.number for revision in news.newer] == ([3] if known < 3 else [])
    assert news.listing.environment.revision == 3


def test_at_most_twenty_newer_revisions_are_named(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    for number in range(22):
        patch(vault, ada, "prod", A=f"{number}x")
    news = vault.environments.history.news(ada, "prod", 1)
    assert [revision.number for revision in news.newer] == list(range(23, 3, -1))


def test_the_empty_environment_has_news_once_it_is_written(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "new")
    assert vault.environments.history.news(ada, "new", 0).changes == ()
    patch(vault, ada, "new", A="1")
    changes = vault.environments.history.news(ada, "new", 0).changes
    assert changes is not None
    assert [change.kind for change in changes] == ["added"]


@pytest.mark.parametrize("missing", ["read", "history"])
def test_news_need_the_permissions_to_read_and_to_compare(vault: Services, ada: Principal, missing: str) -> None:
    add_environment(vault, ada, "prod", A="1")
    given = "history" if missing == "read" else "read"
    service = as_token(vault, add_token(vault, ada, grant(given, path="prod")).secret)
    with pytest.raises(NotGranted):
        vault.environments.history.news(service, "prod", 1)


def test_another_persons_environment_has_no_news(vault: Services, ada: Principal, bob: Principal) -> None:
    made = add_environment(vault, ada, "prod", A="1")
    for reference in (made.id, "prod"):
        with pytest.raises(NotFound):
            vault.environments.history.news(bob, reference, 1)
