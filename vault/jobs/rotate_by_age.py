"""Rotation by age: replaces keys that are older than the operator allows, a few at a time, and deletes unused ones."""

from __future__ import annotations

from vault.jobs.rewrap import PRINCIPAL
from vault.services import Services


def rotate_by_age(services: Services) -> dict[str, int]:
    """Replace keys that are too old, and delete retired keys that nothing needs. Returns how many of each kind."""
    keys, settings = services.keys, services.settings
    done = keys.people.rotate_by_age(PRINCIPAL, settings.rotate_user_keys_days, settings.rotate_data_keys_days)
    done["system_keys"] = keys.system.rotate_by_age(PRINCIPAL, settings.rotate_system_key_days)
    # Finish what an interrupted rotation has left.
    done["credentials_moved"] = keys.system.move(PRINCIPAL)
    done["idle_data_keys"] = keys.people.drop_idle(PRINCIPAL)
    done["idle_system_keys"] = keys.system.drop_retired(PRINCIPAL)
    done["overdue_secrets"] = keys.secrets.drop_overdue(PRINCIPAL)
    return done
