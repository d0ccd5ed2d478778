"""`/operator/keys`: the vault's keys. Only operators may call, from named networks, with a recent proof of identity.

Long work is done in slices: a call works for a few seconds and reports whether anything is left. The next call
continues.
"""

from __future__ import annotations

from marshmallow import Schema, fields

from vault.api.parser import StrictBlueprint
from vault.api.schemas.bounded import Body, BoundedText, WholeNumber
from vault.api.schemas.parts import Moment, Reference, Switch
from vault.errors import InvalidInput
from vault.http import principal, services
from vault.model.digits import BIGINT_MOST
from vault.services.keys.master import KeyStatus
from vault.services.keys.workers import REQUEST_WAIT_SECONDS
from vault.services.pace import REQUEST_SECONDS, Pace

_RATE_MOST = 1_000_000

blueprint = StrictBlueprint("operator-keys", __name__, description="The vault's keys, for operators.")


class VersionSchema(Schema):
    """One version of the master key."""

    version = fields.Integer()
    provider = fields.String()
    state = fields.String()
    created_at = Moment(attribute="created_us")
    changed_at = Moment(attribute="changed_us")
    destroyable_at = Moment(attribute="destroyable_us", allow_none=True)
    user_keys = fields.Integer()
    workers = fields.Integer()


class WorkerSchema(Schema):
    """A live worker."""

    host = fields.String()
    pid = fields.Integer()
    knows_version = fields.Integer()
    locked = fields.Boolean(attribute="is_locked")


class KeysAnswer(Schema):
    """All versions, and the workers that must know them."""

    versions = fields.List(fields.Nested(VersionSchema))
    workers = fields.List(fields.Nested(WorkerSchema))


class RotateMasterBody(Body):
    """What to rotate: the master key (perhaps with another provider), a person's key, or the system key."""

    provider = BoundedText(least=1, most=32, load_default=None, allow_none=True)
    user = Reference(least=1, load_default=None, allow_none=True)
    system = Switch(load_default=False)


class SliceBody(Body):
    """How fast a slice of work may go."""

    max_per_second = WholeNumber(least=1, most=_RATE_MOST, load_default=None, allow_none=True)


class SliceAnswer(Schema):
    """How many keys this call has done, how many are left, and which keys cannot be opened."""

    done = fields.Integer()
    left = fields.Integer()
    broken = fields.List(fields.String())


class ResealAnswer(Schema):
    """Whether everything is resealed, and how many tokens have not been used since."""

    finished = fields.Boolean()
    tokens_left = fields.Integer()
    tokens_refused_at = Moment(attribute="refused_us", allow_none=True)


class RetireBody(Body):
    """`undo` enables a retired version again."""

    undo = Switch(load_default=False)


class DestroyBody(Body):
    """`now` skips the waiting time. Then `confirm` must be the version's number."""

    now = Switch(load_default=False)
    confirm = WholeNumber(most=BIGINT_MOST, load_default=None, allow_none=True)


@blueprint.route("/operator/keys", methods=["GET"])
@blueprint.response(200, KeysAnswer)
def status() -> KeyStatus:
    """List the versions: provider, state and age, how many user keys each wraps, and how many workers know it."""
    return services().keys.master.status(principal())


@blueprint.route("/operator/keys/rotate", methods=["POST"])
@blueprint.arguments(RotateMasterBody)
@blueprint.response(200, KeysAnswer)
def rotate(provider: str | None, user: str | None, system: bool) -> KeyStatus:
    """Make a new key and activate it. Answers 503 if a worker cannot use it yet."""
    who, keys = principal(), services().keys
    if sum(map(bool, (provider, user, system))) > 1:
        raise InvalidInput("Give only one of provider, user and system.")
    if user is not None:
        keys.people.rotate(who, user)
    elif system:
        keys.system.rotate(who, wait_seconds=REQUEST_WAIT_SECONDS)
    else:
        keys.master.rotate(who, provider, wait_seconds=REQUEST_WAIT_SECONDS)
    return keys.master.status(who)


@blueprint.route("/operator/keys/rewrap", methods=["POST"])
@blueprint.arguments(SliceBody)
@blueprint.response(200, SliceAnswer)
def rewrap(max_per_second: int | None) -> dict[str, object]:
    """Rewrap user keys under the active version for a few seconds. Repeat until nothing is left."""
    who, rewrapping = principal(), services().keys.rewrapping
    done = rewrapping.run(who, Pace(max_per_second, REQUEST_SECONDS))
    return {"done": done.done, "left": rewrapping.left(who), "broken": done.broken}


@blueprint.route("/operator/keys/reseal", methods=["POST"])
@blueprint.arguments(SliceBody)
@blueprint.response(200, ResealAnswer)
def reseal(max_per_second: int | None) -> dict[str, object]:
    """Reseal everything, for a few seconds. Repeat until it is finished. This ends every session, also the caller's."""
    who, resealing = principal(), services().keys.reseal
    finished = resealing.run(who, Pace(max_per_second, REQUEST_SECONDS))
    found = resealing.status(who)
    return {"finished": finished, "tokens_left": found.tokens_left, "refused_us": found.refused_us}


@blueprint.route("/operator/keys/<int:version>/retire", methods=["POST"])
@blueprint.arguments(RetireBody)
@blueprint.response(200, KeysAnswer)
def retire(version: int, undo: bool) -> KeyStatus:
    """Retire a version that nothing uses, or enable it again."""
    who, master = principal(), services().keys.master
    (master.restore if undo else master.retire)(who, version)
    return master.status(who)


@blueprint.route("/operator/keys/<int:version>/destroy", methods=["POST"])
@blueprint.arguments(DestroyBody)
@blueprint.response(200, KeysAnswer)
def destroy(version: int, now: bool, confirm: int | None) -> KeyStatus:
    """Destroy a version for good. Answers 409 while anything uses it, or before its waiting time has passed."""
    who, master = principal(), services().keys.master
    if now and confirm != version:
        raise InvalidInput("To destroy a version at once, repeat its number in confirm.", path="confirm")
    master.destroy(who, version, now=now)
    return master.status(who)
