"""While an older release runs, bases cannot be set, and all else goes on."""

from __future__ import annotations

import pytest

from tests.support.bases import bases_of, stand
from tests.support.vaults import HOST, FakeClock, add_environment, patch, run_sql, values, write
from vault.errors import Conflict
from vault.model.principal import Principal
from vault.services import Services


def test_bases_cannot_be_set_while_an_older_release_runs(vault: Services, ada: Principal, clock: FakeClock) -> None:
    for name in ("prod", "common"):
        add_environment(vault, ada, name, A=name)
    run_sql(
        vault,
        "INSERT INTO workers (id, host, pid, knows_version, state_version, started_us, lease_until_us, release,"
        " row_format) VALUES ('old', 'web-2', 77, 1, 1, 0, :until, '0.1.1', 2)",
        until=clock() + 20_000_000,
    )
    assert vault.keys.upgrading.open(HOST) == 0
    with pytest.raises(Conflict, match=r"web-2 \(process 77, release 0\.1\.1\)\. Stop them .* then try again"):
        stand(vault, ada, "prod", "common")
    assert bases_of(vault, ada, "prod") == ()
    assert values(vault, ada, "prod") == {"A": "prod"}
    # What needs no column of the format works.
    stand(vault, ada, "prod")
    patch(vault, ada, "prod", A="2")
    write(vault, lambda unit: vault.environments.variables.copy(unit, ada, "prod", "copied"))
    clock.advance(21)
    assert vault.keys.upgrading.open(HOST) > 0
    stand(vault, ada, "prod", "common")
    assert values(vault, ada, "prod") == {"A": "2"}


def test_without_older_workers_it_says_to_wait(vault: Services, ada: Principal) -> None:
    for name in ("prod", "common"):
        add_environment(vault, ada, name)
    with pytest.raises(Conflict, match="Try again in a minute"):
        stand(vault, ada, "prod", "common")
    assert bases_of(vault, ada, "prod") == ()
