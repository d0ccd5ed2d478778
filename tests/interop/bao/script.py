"""Commands of the `bao` program, and what one run of them keeps for the next.

`{name}` in an argument or in the environment is the value that an earlier command kept under this name. A command keeps
the fields of its JSON output that `keep` names, by their paths in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Command:
    """One run of `bao`. `fails` says that the program must report an error, as it does with its own server."""

    words: str
    keep: Mapping[str, str] = field(default_factory=dict)
    token: str = "{token}"
    fails: bool = False
    stdin: str = ""


_AUTH = {"child": "auth.client_token", "accessor": "auth.accessor"}
_WRAPPED = {"wrapping": "wrap_info.token"}

STATUS = (Command("status"),)

KV = (
    Command("kv put secret/app A=1 B=two"),
    Command("kv put -mount=secret app A=1 B=two"),
    Command("kv get secret/app"),
    Command("kv get -mount=secret app"),
    Command("kv get -version=1 secret/app"),
    Command("kv get -field=A secret/app"),
    Command("kv put -cas=2 secret/app A=3"),
    Command("kv put -cas=0 secret/app A=4", fails=True),
    Command("kv patch secret/app B=5"),
    Command("kv patch -method=rw secret/app B=6"),
    Command("kv patch -method=patch -cas=5 secret/app C=7"),
    Command("kv patch secret/never A=1", fails=True),
    Command("kv put secret/team/one A=1"),
    Command("kv list secret/"),
    Command("kv list secret"),
    Command("kv list secret/team"),
    Command("kv list secret/never", fails=True),
    Command("kv get secret/never", fails=True),
    Command("kv get secret/team/", fails=True),
    Command("kv delete secret/app"),
    Command("kv get secret/app"),
    Command("kv undelete -versions=6 secret/app"),
    Command("kv delete -versions=1,2 secret/app"),
    Command("kv destroy -versions=1 secret/app"),
    Command("kv get -version=1 secret/app"),
    Command("kv rollback -version=3 secret/app"),
    Command("kv delete secret/never"),
    Command("kv metadata put secret/app"),
    Command("kv metadata put -max-versions=5 -cas-required=false -custom-metadata=owner=ada secret/app"),
    Command("kv metadata put -delete-version-after=1h secret/meta"),
    Command("kv metadata patch -max-versions=7 -custom-metadata=team=a secret/app"),
    Command("kv metadata patch -remove-custom-metadata=team secret/app"),
    Command("kv metadata get secret/app"),
    Command("kv metadata get secret/meta"),
    Command("kv metadata get secret/never", fails=True),
    Command("kv metadata delete secret/app"),
    Command("kv metadata delete secret/never"),
    Command("kv put kv/app A=1 B=two"),
    Command("kv get kv/app"),
    Command("kv get -field=B kv/app"),
    Command("kv list kv/"),
    Command("kv get kv/never", fails=True),
    Command("kv metadata get kv/app", fails=True),
    Command("kv delete kv/app"),
    Command("read secret/data/team/one"),
    Command("read secret/team/one"),
    Command("read secret/data/never", fails=True),
    Command("list secret/metadata"),
    Command("list secret/metadata/never", fails=True),
    Command("write secret/metadata/team/one max_versions=0"),
    Command("read secret/metadata/team/one"),
    Command("write secret/data/team/one -", stdin='{"data": {"A": 1.50, "B": {"c": [true, null]}}}'),
    Command("read secret/config"),
    Command("write secret/config max_versions=20"),
    Command("delete secret/data/team/one"),
    Command("delete secret/metadata/team/one"),
)

TOKEN = (
    Command("token lookup"),
    Command("token create", _AUTH),
    Command("token lookup {child}"),
    Command("token lookup -accessor {accessor}"),
    Command("token create -ttl=1h", _AUTH),
    Command("token renew {child}"),
    Command("token renew -increment=1h {child}"),
    Command("token renew -accessor {accessor}"),
    Command("token renew", token="{child}"),
    Command("token renew -increment=30m", token="{child}"),
    Command("token capabilities secret/data/app"),
    Command("token capabilities secret/metadata/"),
    Command("token revoke -accessor {accessor}"),
    Command("token lookup -accessor {accessor}", fails=True),
    Command("token revoke -accessor {accessor}"),
    Command("token lookup {child}", fails=True),
    Command("token create -ttl=300s -explicit-max-ttl=2h -display-name=job -metadata=team=a -use-limit=5", _AUTH),
    Command("token lookup", token="{child}"),
    Command("token revoke {child}"),
    Command("token create -policy=path:app:read -renewable=false", _AUTH),
    Command("token revoke -self", token="{child}"),
    Command("token lookup", token="{child}", fails=True),
    Command("list auth/token/accessors"),
)

LOGIN = (
    Command("login -no-store {token}"),
    Command("login -no-store junk", fails=True),
    Command("login -no-store -method=userpass username={person} password={password}", {"session": "auth.client_token"}),
    Command("login -no-store -method=userpass username={person} password=wrong", fails=True),
    Command("token lookup", token="{session}"),
    Command("login -no-store -token-only -method=userpass username={person} password={password}"),
    Command("token revoke -self", token="{session}"),
    Command("write auth/approle/login role_id={role} secret_id={secret}", {"role_token": "auth.client_token"}),
    Command("token lookup", token="{role_token}"),
    Command("write auth/approle/login role_id={role} secret_id=wrong", fails=True),
)

WRAPPING = (
    Command("kv put secret/wrapped A=1"),
    Command("kv get -wrap-ttl=60s secret/wrapped", _WRAPPED),
    Command("unwrap {wrapping}"),
    Command("unwrap {wrapping}", fails=True),
    Command("read -wrap-ttl=60s secret/data/wrapped", _WRAPPED),
    Command("unwrap", token="{wrapping}"),
    Command("unwrap", token="{wrapping}", fails=True),
    Command("token create -wrap-ttl=60s", _WRAPPED),
    Command("write sys/wrapping/lookup token={wrapping}"),
    Command("write -f sys/wrapping/lookup", token="{wrapping}"),
    Command("write sys/wrapping/rewrap token={wrapping}", _WRAPPED),
    Command("unwrap -field=token {wrapping}"),
    Command("write sys/wrapping/wrap a=b", _WRAPPED),
    Command("unwrap {wrapping}"),
    Command("write -f sys/wrapping/wrap", _WRAPPED),
)

WRITE_FORCE = (
    Command("write -f auth/token/create", _AUTH),
    Command("write auth/token/create ttl=1h", _AUTH),
    Command("write -f auth/token/renew-self", token="{child}"),
    Command("write -f auth/token/lookup-self", token="{child}"),
    Command("write -f secret/metadata/forced"),
    Command("write -f secret/data/forced", fails=True),
    Command("write -f kv/forced", fails=True),
    Command("write -f auth/token/revoke-self", token="{child}"),
)

SCRIPT = {"status": STATUS, "kv": KV, "token": TOKEN, "login": LOGIN, "unwrap": WRAPPING, "write -f": WRITE_FORCE}
