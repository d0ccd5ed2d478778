"""deploy/examples: what can run here is run as it is; what cannot is read, and its requests are made by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import hvac
import hvac.adapters
import pytest
import yaml

from tests.interop.conftest import Place
from tests.support.patience import HANG_SECONDS

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "deploy" / "examples"
NODE_MODULES = Path(__file__).parent / "node" / "node_modules"


@pytest.fixture
def client(vault_server: Place) -> Any:
    """A client that has written `prod`, `billing/prod` and `billing`."""
    made = hvac.Client(vault_server.url, token=vault_server.token, verify=str(vault_server.ca_file))
    for path, values in (
        ("prod", {"DATABASE_URL": "pg://{{HOST}}/app", "HOST": "db"}),
        ("billing/prod", {"A": "1"}),
        ("billing", {"A": "0", "B": "2"}),
    ):
        made.secrets.kv.v2.create_or_update_secret(path, values)
    yield made
    made.adapter.close()


def _run(place: Place, *command: str, **env: str) -> str:
    done = subprocess.run(
        command, env={**place.env, **env}, capture_output=True, text=True, timeout=HANG_SECONDS, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_for_hvac_runs(vault_server: Place, client: Any) -> None:
    said = _run(vault_server, sys.executable, str(EXAMPLES / "hvac_example.py"), "prod")
    assert "counts 1 runs" in said
    assert client.secrets.kv.v2.read_secret_version("prod", raise_on_deleted_version=True)["data"]["data"]["RUNS"] == 1


def test_the_example_for_node_vault_runs(vault_server: Place, client: Any) -> None:
    script = str(EXAMPLES / "node-vault.mjs")
    said = _run(vault_server, "node", script, "prod", NODE_MODULES=str(NODE_MODULES / "example.js"))
    assert said.endswith("DATABASE_URL, HOST\n")


def test_the_example_for_curl_runs(vault_server: Place, client: Any) -> None:
    said = _run(vault_server, "sh", str(EXAMPLES / "curl.sh"), "prod")
    assert '"DATABASE_URL":"pg://{{HOST}}/app"' in said
    assert "Asked again with the ETag: 304" in said
    assert "Written as if it were new: 400" in said
    assert '"wrap_info":{"token":"srm_w_' in said
    assert vault_server.token not in said


def test_the_script_for_github_actions_runs(vault_server: Place, client: Any, tmp_path: Path) -> None:
    workflow = yaml.safe_load((EXAMPLES / "github-actions.yaml").read_text())
    script = workflow["jobs"]["deploy"]["steps"][0]["run"]
    # jq is on every runner of GitHub's, and need not be here.
    jq = tmp_path / "jq"
    jq.write_text(
        f"#!{sys.executable}\nimport functools, json, sys\n"
        "print(functools.reduce(dict.__getitem__, sys.argv[2].strip('.').split('.'), json.load(sys.stdin)))\n"
    )
    jq.chmod(0o755)
    env = {"GITHUB_ENV": str(tmp_path / "env"), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    said = _run(vault_server, "sh", "-c", script, **env)
    assert said == "::add-mask::pg://db/app\n"
    assert (tmp_path / "env").read_text() == "DATABASE_URL=pg://db/app\n"


def test_the_workflow_is_one_that_github_takes() -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    command: list[str | Path] = [check, "--builtin-schema", "vendor.github-workflows", EXAMPLES / "github-actions.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_spring_asks_for_is_answered(vault_server: Place, client: Any) -> None:
    vault = yaml.safe_load((EXAMPLES / "spring.yaml").read_text())["spring"]["cloud"]["vault"]
    assert (vault["authentication"], vault["kv"]["backend-version"]) == ("APPROLE", 2)
    found: dict[str, Any] = {}
    for path in ("billing/prod", "billing", "application/prod", "application"):
        status, answer = _ask(client, f"{vault['kv']['backend']}/data/{path}")
        assert (status, answer == {"errors": []}) in ((200, False), (404, True))
        found |= {path: answer["data"]["data"]} if status == 200 else {}
    assert found == {"billing/prod": {"A": "1"}, "billing": {"A": "0", "B": "2"}}


def test_what_external_secrets_asks_for_is_answered(client: Any) -> None:
    documents = {item["kind"]: item for item in yaml.safe_load_all((EXAMPLES / "external-secrets.yaml").read_text())}
    store = documents["SecretStore"]["spec"]["provider"]["vault"]
    assert (store["path"], store["version"]) == ("secret", "v2")
    assert _ask(client, "auth/token/lookup-self")[0] == 200
    pulled = documents["ExternalSecret"]["spec"]["dataFrom"][0]["extract"]["key"]
    assert _ask(client, f"secret/data/{pulled}")[1]["data"]["data"]["HOST"] == "db"
    pushed = documents["PushSecret"]["spec"]["data"][0]["match"]["remoteRef"]
    assert _ask(client, f"secret/metadata/{pushed['remoteKey']}")[0] == 404
    kv = client.secrets.kv.v2
    kv.update_metadata(pushed["remoteKey"], custom_metadata={"managed-by": "external-secrets"})
    kv.create_or_update_secret(pushed["remoteKey"], {pushed["property"]: "certificate"}, cas=0)
    kv.delete_metadata_and_all_versions(pushed["remoteKey"])


def test_what_an_agent_asks_for_is_answered(vault_server: Place, client: Any) -> None:
    text = (EXAMPLES / "vault-agent.hcl").read_text()
    assert 'secret "secret/data/prod"' in text
    body = {"role_id": vault_server.role_id, "secret_id": vault_server.secret_id}
    auth = client.adapter.put("/v1/auth/approle/login", json=body)["auth"]
    assert auth["renewable"] is True
    agent = hvac.Client(vault_server.url, token=auth["client_token"], verify=str(vault_server.ca_file))
    assert agent.adapter.get("/v1/sys/internal/ui/mounts/secret/data/prod")["data"]["options"] == {"version": "2"}
    assert agent.adapter.put("/v1/auth/token/renew-self", json={"increment": 0})["auth"]["lease_duration"] > 3500
    agent.adapter.close()


def test_every_example_is_in_the_list() -> None:
    text = (EXAMPLES / "README.md").read_text()
    assert all(f"`{path.name}`" in text for path in EXAMPLES.iterdir() if path.name != "README.md" and path.is_file())


def _ask(client: Any, path: str) -> tuple[int, Any]:
    raw = hvac.adapters.RawAdapter.from_adapter(client.adapter)
    answer = raw.request("get", f"/v1/{path}", raise_exception=False)
    return answer.status_code, json.loads(answer.content)
