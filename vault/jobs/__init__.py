"""Work without a request. `Jobs` runs it in a thread of each worker; leases see to it that one worker does each."""

from vault.jobs.runner import Jobs

__all__ = ["Jobs"]
