"""No plaintext lies in the database's files, neither beside the rows nor in the log that writes ahead."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.factors import WEB, add_totp, asked
from tests.support.servers import Postgres, _postgres_programs, database_name
from tests.support.vaults import (
    PASSWORD,
    add_environment,
    add_token,
    as_session,
    grant,
    log_in,
    patch,
    run_sql,
    values,
    write,
)
from vault.errors import StrongroomError
from vault.model.environment import Variable
from vault.model.principal import Principal
from vault.services import Services
from vault.services.idempotency import Call, KeptAnswer
from vault.services.people.logins import Proof

CANARIES = ("canary-value-9d", "CANARY_NAME_9d", "canary-description-9d", "canary-answer-9d")


def go_through_everything(vault: Services, who: Principal) -> list[str]:
    """Every call that takes a secret, some of which fail; all secrets."""

    def create(unit: Any) -> None:
        vault.environments.environments.create(unit, who, "prod", description="canary-description-9d")

    write(vault, create)
    variable = Variable("CANARY_NAME_9d", "canary-value-9d", description="canary-description-9d")
    write(vault, lambda unit: vault.environments.variables.put_one(unit, who, "prod", variable))
    patch(vault, who, None, CANARY_NAME_9d="canary-value-9d {{CANARY_NAME_9d}}")
    with pytest.raises(StrongroomError):
        patch(vault, who, "prod", CANARY_NAME_9d="canary-value-9d\ud800")
    add_environment(vault, who, "dev", CANARY_NAME_9d="canary-value-9d" * 5000)
    write(vault, lambda unit: vault.environments.history.rollback(unit, who, "prod", 1))
    values(vault, who, "prod")
    keep(vault, who)
    vault.people.accounts.authenticate("ada", PASSWORD, "192.0.2.1")
    with pytest.raises(StrongroomError):
        vault.people.accounts.authenticate("ada", "canary-value-9d wrong", "192.0.2.1")
    token, session = add_token(vault, who, grant("read", path="*")).secret, log_in(vault, "ada").secret
    assert token is not None
    app = add_totp(vault, "ada")
    waiting = vault.people.factors.begin_totp(as_session(vault, recovered(vault, app.recovery_codes[0]), "web"))
    factors = [app.secret, waiting.secret, *app.recovery_codes]
    return [*CANARIES, PASSWORD, token[18:61], session[18:61], *factors]


def recovered(vault: Services, code: str) -> str:
    """The secret of a session that a recovery code has completed."""
    return vault.people.logins.complete(asked(vault, "ada").id, Proof(recovery_code=code), WEB).secret


def keep(vault: Services, who: Principal) -> None:
    def run(unit: Any) -> None:
        claim = vault.idempotency.claim(unit, who, Call("POST", "/x", "key", b"canary-value-9d"))
        assert not isinstance(claim, KeptAnswer)
        vault.idempotency.keep(unit, who, claim, KeptAnswer(200, {}, "canary-answer-9d"))

    write(vault, run)


def files(vault: Services, request: pytest.FixtureRequest) -> Iterator[tuple[str, bytes]]:
    """Every byte that the database has on disk, and what a dump of it would be."""
    if vault.storage.is_sqlite:
        path = Path(vault.settings.database_url.removeprefix("sqlite:///"))
        for each in path.parent.glob(path.name + "*"):
            yield each.name, each.read_bytes()
        return
    server: Postgres = request.getfixturevalue("postgres")
    run_sql(vault, "CHECKPOINT")
    for each in (server.directory / "data").rglob("*"):
        if each.is_file() and each.parts[-2] != "pg_stat_tmp":
            yield str(each), each.read_bytes()
    dump = shutil.which("pg_dump", path=str(_postgres_programs())) or "pg_dump"
    url = server.url(database_name(vault.settings.database_url))
    yield "pg_dump", subprocess.run([dump, url], check=True, capture_output=True).stdout


def test_no_secret_lies_in_the_database_in_the_clear(
    vault: Services, ada: Principal, request: pytest.FixtureRequest
) -> None:
    secrets = go_through_everything(vault, ada)
    looked_at = ""
    for name, content in files(vault, request):
        looked_at += name
        for secret in secrets:
            for form in (secret.encode(), secret.encode().hex().encode(), secret.encode("utf-16-le")):
                assert form not in content, (name, secret)
    assert "strongroom" in looked_at or "pg_dump" in looked_at


def test_what_is_plain_on_purpose_is_found(vault: Services, ada: Principal, request: pytest.FixtureRequest) -> None:
    """The search sees what is there: an environment's name is plain, and the README says so."""
    add_environment(vault, ada, "plain-name-of-an-environment")
    assert any(b"plain-name-of-an-environment" in content for _, content in files(vault, request))
