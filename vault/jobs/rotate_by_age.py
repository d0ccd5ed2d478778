"""Rotation by age: keys that are older than the operator allows are replaced, a few at a time; idle ones go."""

from __future__ import annotations

from vault.jobs.rewrap import PRINCIPAL
from vault.services import Services


def rotate_by_age(services: Services) -> dict[str, int]:
    """Replace what is too old, and delete retired keys that nothing needs any more; how many of each kind."""
    keys, settings = services.keys, services.settings
    done = keys.people.rotate_by_age(PRINCIPAL, settings.rotate_user_keys_days, settings.rotate_data_keys_days)
    done["system_keys"] = keys.system.rotate_by_age(PRINCIPAL, settings.rotate_system_key_days)
    # What a rotation that was cut short has left behind.
    done["credentials_moved"] = keys.system.move(PRINCIPAL)
    done["idle_data_keys"] = keys.people.drop_idle(PRINCIPAL)
    done["idle_system_keys"] = keys.system.drop_retired(PRINCIPAL)
    done["overdue_secrets"] = keys.secrets.drop_overdue(PRINCIPAL)
    return done
