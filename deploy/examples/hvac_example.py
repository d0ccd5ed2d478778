"""Python: read an environment from Strongroom with hvac, and write one value with check-and-set.

VAULT_ADDR=https://vault.example.org VAULT_TOKEN=srm_t_… python hvac_example.py prod
"""

from __future__ import annotations

import os
import sys

import hvac


def main(environment: str) -> None:
    """Read the environment, count this run in it, and say what was done."""
    client = hvac.Client(os.environ["VAULT_ADDR"], token=os.environ["VAULT_TOKEN"], verify=os.environ["VAULT_CACERT"])
    if not client.is_authenticated():
        sys.exit("The token is not (or no longer) valid.")
    secrets = client.secrets.kv.v2
    found = secrets.read_secret_version(environment, raise_on_deleted_version=True)["data"]
    values, version = found["data"], found["metadata"]["version"]
    values["RUNS"] = int(values.get("RUNS", 0)) + 1
    secrets.create_or_update_secret(environment, values, cas=version)
    print(f"{environment} had {len(values)} values; version {version + 1} counts {values['RUNS']} runs.")


if __name__ == "__main__":
    main(sys.argv[1])
