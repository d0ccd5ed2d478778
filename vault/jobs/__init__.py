"""Package jobs runs work that no request triggers. `Jobs` runs it in threads of each worker. A lease lets one worker at
a time do a job.
"""

from vault.jobs.runner import Jobs

__all__ = ["Jobs"]
