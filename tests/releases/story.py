"""What happens in a vault before it is kept as a release's: people, environments, tokens, and all that a later release
must still understand. Each function returns its part of `facts.json`.

Everything goes through a release's command and its API, so that any release can be driven. The secrets are fake.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyotp

from tests.releases.running import Answer, Caller
from tests.support.patience import eventually

Facts = dict[str, Any]

PASSWORDS = {
    "ada": "fake lantern gravel ninefold otter",
    "bob": "fake harbour pencil twelve walrus",
    "carol": "fake window ribbon seventy heron",
    "dave": "fake copper saddle eleven badger",
}
NEW_PASSWORD = "fake marble drizzle forty lynx"
ALL = ["list", "read", "create", "update", "delete", "history", "delegate"]
DAY_SECONDS = 86_400
_OPENS_SECONDS = 60.0


@dataclass
class Story:
    """Who tells it, and what is to be remembered."""

    anyone: Caller
    command: Callable[..., str]
    """A person's command: the credential first, then what stands behind `strongroom`."""
    secrets: dict[str, str] = field(default_factory=dict)
    """Credentials by name: of people's sessions and of tokens."""
    facts: Facts = field(default_factory=dict)

    def as_(self, name: str) -> Caller:
        """Who holds a credential of the story."""
        return self.anyone.as_(self.secrets[name])

    def log_in(self, name: str, password: str) -> None:
        """Begin a session that goes by the person's name."""
        begun = self.anyone.ok("POST", "/sessions", {"username": name, "password": password})
        self.secrets[name] = begun["secret"]

    def token(self, name: str, grants: list[Facts], *, by: str = "ada", **wishes: Any) -> Facts:
        """Make a token that goes by its name."""
        made: Facts = self.as_(by).ok("POST", "/tokens", {"name": name, "grants": grants, **wishes})
        self.secrets[name] = made["secret"]
        return made


def tell(story: Story) -> None:
    """All of it, but for what the operator's command does."""
    story.log_in("ada", PASSWORDS["ada"])
    story.log_in("bob", PASSWORDS["bob"])
    story.facts["people"] = {"bob": _bob(story), "carol": {"password": PASSWORDS["carol"], "state": "disabled"}}
    _prod(story)
    _others(story)
    story.facts["tokens"] = _tokens(story)
    if "bases" in story.as_("ada").ok("GET", "/environments/prod"):
        story.facts["bases"] = _bases(story)
    story.facts["idempotency"] = _idempotency(story)
    story.facts["wrapped"] = _wrapped(story)
    story.facts["people"]["ada"] = _ada(story)


def reads(story: Story) -> list[Facts]:
    """What the release itself answers: a later one must answer the same, whatever it adds."""
    paths = [
        "/globals/variables",
        "/globals/values",
        "/environments?limit=200",
        "/environments?limit=200&deleted=true",
        *(f"/environments/{name}" for name in ("prod", "copy-of-prod")),
        *(f"/environments/{name}/variables" for name in ("prod", "copy-of-prod")),
        *(f"/environments/{name}/values" for name in ("prod", "copy-of-prod")),
        "/environments/prod/revisions?limit=200",
        *(f"/environments/prod/revisions/{number}" for number in range(1, 8)),
        "/environments/prod/revisions/5/diff?against=1",
        "/v1/secret/data/shop/web",
        "/v1/secret/data/shop/web?version=1",
        "/v1/secret/metadata/shop/web",
        "/v1/secret/metadata/prod",
        "/v1/secret/config",
    ]
    found: list[Facts] = [{"as": "everything", "path": path} for path in paths]
    found += [{"as": "reader", "path": f"/environments/{name}/values"} for name in ("prod", "copy-of-prod")]
    found += [{"as": "bob", "path": "/environments/home/values"}, {"as": "reader", "path": "/globals/values"}]
    if "bases" in story.facts:
        names = ("common", "eu", "shop-eu", "copy-of-shop-eu")
        found += [
            {"as": "everything", "path": f"/environments/{name}{end}"} for name in names for end in ("", "/values")
        ]
        found += [{"as": "everything", "path": f"/environments/shop-eu/{end}"} for end in ("variables", "revisions")]
        found += [{"as": "everything", "path": "/v1/secret/data/shop-eu"}]
        found += [{"as": "some layers", "path": f"/environments/{name}/values"} for name in names]
    for read in found:
        answer = story.as_(read["as"])("GET", read["path"])
        # What is refused is refused by every release, if in other words.
        read |= {"status": answer.status, "json": _lasting(answer.json) if answer.status == 200 else None}
    return found


def _lasting(document: Any) -> Any:
    """A document without what is another at each call."""
    if isinstance(document, dict):
        return {name: _lasting(value) for name, value in document.items() if name not in ("request_id", "instance")}
    return [_lasting(item) for item in document] if isinstance(document, list) else document


def _bob(story: Story) -> Facts:
    bob = story.as_("bob")
    bob.ok("POST", "/environments", {"name": "home", "variables": [{"name": "HERE", "value": "bob's"}]})
    bob.ok("PUT", "/me/password", {"current_password": PASSWORDS["bob"], "new_password": NEW_PASSWORD})
    story.log_in("bob", NEW_PASSWORD)
    return {"password": NEW_PASSWORD, "former_password": PASSWORDS["bob"], "role": "user"}


def _prod(story: Story) -> None:
    ada = story.as_("ada")
    variables = [
        {"name": "DATABASE_URL", "value": "postgres://fake:fake@db.example/shop", "type": "secret"},
        {"name": "URL", "value": "https://{{REGION}}.example/{{PATH_PART}}", "description": "Where it is."},
        {"name": "PATH_PART", "value": "ä€𝄞\n\\"},
        {"name": "OFF", "value": "not told", "enabled": False},
        {"name": "TEMPLATE", "value": "{{REGION}}", "literal": True},
    ]
    ada.ok("POST", "/environments", {"name": "prod", "description": "The real one.", "variables": variables})
    for number in (2, 3, 4, 5):
        ada.ok("PATCH", "/environments/prod/variables", {"variables": {"NUMBER": str(number)}})
    ada.ok("POST", "/v1/secret/delete/prod", {"versions": [2]})
    ada.ok("POST", "/v1/secret/destroy/prod", {"versions": [3]})
    ada.ok("POST", "/environments/prod/rollback", {"revision": 4})
    ada.ok("PUT", "/environments/prod/variables/LAST", {"value": "seven"})
    ada.ok("POST", "/v1/secret/metadata/prod", {"custom_metadata": {"team": "shop"}, "cas_required": False})
    ada.ok("PATCH", "/globals/variables", {"variables": {"REGION": "eu-west-1", "NUMBER": "of globals"}})


def _others(story: Story) -> None:
    ada = story.as_("ada")
    ada.ok("POST", "/environments/prod/copy", {"name": "copy-of-prod"})
    ada.ok("POST", "/v1/secret/config", {"max_versions": 7})
    ada.ok("POST", "/v1/secret/data/shop/web", {"data": {"port": 8080, "list": [1, None], "text": "x"}})
    ada.ok("PATCH", "/v1/secret/data/shop/web", {"data": {"port": 8081}}, Content_Type="application/merge-patch+json")
    ada.ok("POST", "/environments", {"name": "old", "variables": [{"name": "A", "value": "deleted"}]})
    ada.ok("DELETE", "/environments/old")


def _tokens(story: Story) -> Facts:
    prod, values = {"environment": "prod", "permissions": ["read"]}, "/environments/prod/values"
    everything: list[Facts] = [{"path": "*", "permissions": ALL}, {"globals": True, "permissions": ALL}]
    story.token("everything", everything, ttl_seconds=None)
    story.token("reader", [prod, {"globals": True, "permissions": ["read"]}], ttl_seconds=None)
    story.token("writer", [{"path": "shop", "permissions": ALL[:-1]}], ttl_seconds=None, metadata={"for": "tests"})
    story.token("child", [prod], by="everything", ttl_seconds=None)
    story.token("counted", [prod], ttl_seconds=None, uses=5)
    story.token("here", [prod], ttl_seconds=None, networks=["127.0.0.0/8", "::1/128"])
    story.token("elsewhere", [prod], ttl_seconds=None, networks=["203.0.113.0/24"])
    story.token("expired", [prod], ttl_seconds=1)
    ended = story.token("revoked", everything)
    story.token("child of revoked", [prod], by="revoked")
    rotated = story.token("rotated", [prod], ttl_seconds=None)
    policies = {"policies": ["path:shop:read,list"], "ttl": "24h"}
    story.secrets["vault"] = story.as_("everything").ok("POST", "/v1/auth/token/create", policies)["auth"][
        "client_token"
    ]
    for _ in range(2):
        story.as_("counted").ok("GET", values)
    story.as_("ada").ok("DELETE", f"/tokens/{ended['id']}")
    story.secrets["rotated before"] = story.secrets["rotated"]
    overlap = {"overlap_seconds": DAY_SECONDS}
    story.secrets["rotated"] = story.as_("ada").ok("POST", f"/tokens/{rotated['id']}/rotate", overlap)["secret"]
    paths = {"writer": "/v1/secret/data/shop/web", "vault": "/v1/secret/data/shop/web"}
    facts: Facts = {
        name: {"secret": secret, "path": paths.get(name, values), "status": 200}
        for name, secret in story.secrets.items()
        if secret.startswith("srm_t_")
    }
    facts["counted"]["uses_left"] = 3
    time.sleep(1.1)
    for name in facts.keys() - {"counted"}:
        facts[name]["status"] = story.as_(name)("GET", facts[name]["path"]).status
    refused = {name for name in facts if facts[name]["status"] == 401}
    assert refused == {"elsewhere", "expired", "revoked", "child of revoked"}, facts
    return facts


def _bases(story: Story) -> Facts:
    """Three layers above the globals, set by the API and by the command; a deleted base; a token for some layers."""
    ada, path = story.as_("ada"), "/environments/shop-eu/values"

    def make(name: str, **variables: str) -> str:
        given = [{"name": key, "value": value} for key, value in variables.items()]
        return str(ada.ok("POST", "/environments", {"name": name, "variables": given})["id"])

    def put() -> Answer:
        return ada("PATCH", "/environments/eu", {"bases": ["common"]})

    common = make("common", LOG="common", URL="https://{{HOST}}.example")
    eu, gone = make("eu", LOG="eu", ZONE="eu"), make("gone", FROM_GONE="gone", HOST="gone")
    # The release opens its row formats some seconds after its start.
    assert eventually(lambda: put().status != 409, _OPENS_SECONDS), put()
    assert put().json["bases"] == [common]
    story.command(story.secrets["ada"], "env", "create", "shop-eu", "--base", "eu")
    story.command(story.secrets["ada"], "env", "set", "shop-eu", "--base", "eu", "--base", "gone")
    ada.ok("PUT", "/environments/shop-eu/variables/HOST", {"value": "shop"})
    ada.ok("POST", "/environments/shop-eu/copy", {"name": "copy-of-shop-eu"})
    assert "x-strongroom-warnings" in ada("DELETE", "/environments/gone").headers
    some = [{"environment": name, "permissions": ["read"]} for name in ("common", "shop-eu")]
    story.token("some layers", some, ttl_seconds=None)
    story.facts["tokens"]["some layers"] = {"secret": story.secrets["some layers"], "path": path, "status": 200}
    layers = {"URL": "https://shop.example", "HOST": "shop"}
    everything = {**layers, "LOG": "eu", "ZONE": "eu", "REGION": "eu-west-1", "NUMBER": "of globals"}
    values = {"everything": everything, "some layers": {**layers, "LOG": "common"}}
    for name, expected in values.items():
        assert story.as_(name).ok("GET", path)["values"] == expected, name
    lists = {"common": [], "eu": [common], "shop-eu": [eu, gone], "copy-of-shop-eu": [eu, gone]}
    return {"lists": lists, "gone": gone, "values": values, "from_gone": {"FROM_GONE": "gone"}}


def _idempotency(story: Story) -> Facts:
    call: Facts = {
        "as": "everything",
        "method": "PATCH",
        "path": "/environments/copy-of-prod/variables",
        "body": {"variables": {"ONCE": "1"}},
        "key": "fake-key-1",
    }
    answer = story.as_("everything")(call["method"], call["path"], call["body"], Idempotency_Key=call["key"])
    assert answer.status == 200, answer
    return {**call, "json": answer.json, "etag": answer.headers["etag"]}


def _wrapped(story: Story) -> Facts:
    wrapped = story.as_("everything").ok("GET", "/v1/secret/data/shop/web", X_Vault_Wrap_TTL=str(DAY_SECONDS))
    return {"token": wrapped["wrap_info"]["token"], "data": {"port": 8081, "list": [1, None], "text": "x"}}


def _ada(story: Story) -> Facts:
    """Ada gets a second factor, and logs in with a recovery code; another login waits for its code."""
    begun = story.as_("ada").ok("POST", "/me/factors/totp")
    code = pyotp.TOTP(begun["secret"]).at(int(time.time()))
    codes = story.as_("ada").ok("POST", f"/me/factors/totp/{begun['id']}", {"code": code})["recovery_codes"]
    challenges = [_challenge(story) for _ in range(2)]
    used = {"recovery_code": codes[0]}
    story.secrets["ada"] = story.anyone.ok("POST", f"/sessions/challenges/{challenges[0]}", used)["secret"]
    return {
        "password": PASSWORDS["ada"],
        "role": "operator",
        "totp_secret": begun["secret"],
        "recovery_codes": codes[1:],
        "used_recovery_code": codes[0],
        "open_challenge": challenges[1],
    }


def _challenge(story: Story) -> str:
    asked = story.anyone("POST", "/sessions", {"username": "ada", "password": PASSWORDS["ada"]})
    assert asked.status == 401, asked
    return str(asked.json["challenge"]["id"])
