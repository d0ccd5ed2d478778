"""HTTP code that `api`, `kv` and `web` share. A face imports from here what every face needs.

| file                  | what it does                                                                         |
|-----------------------|--------------------------------------------------------------------------------------|
| current.py            | the current request: services, caller, address, request id, transaction              |
| guard.py              | asks for a credential, and for what operators' requests need                         |
| marks.py              | what is written on a view: no credential; a password to hash; its answer is stored   |
| routes.py             | the class of each route, which decides its budget; which requests hash a password    |
| environment_routes.py | one view for environments and for the globals                                        |
| etags.py              | the ETags of a request and of an answer                                              |
| statuses.py           | error → status                                                                       |
| refusals.py           | refusals go to the audit, failures to the log                                        |
| retrying.py           | `Retry-After`                                                                        |
"""

from __future__ import annotations

from vault.http.current import address, presented, principal, request_id, services, transaction, visit
from vault.http.environment_routes import environment_route
from vault.http.etags import known_etags, quoted, unquoted
from vault.http.guard import (
    has_utf8_path,
    identify,
    needs_credential,
    refuse_unkept_key,
    require_ascii_query,
    require_operator,
)
from vault.http.marks import (
    View,
    answers_duty,
    answers_ended,
    is_unattended_view,
    keeps_answer,
    public,
    takes_password,
    unattended,
)
from vault.http.refusals import note_failure, recorded, translated
from vault.http.retrying import set_retry_after
from vault.http.routes import ID_PATTERN, Routes, budget, classify, is_large, prepare, register, routes_of
from vault.http.statuses import status_of

__all__ = [
    "ID_PATTERN",
    "Routes",
    "View",
    "address",
    "answers_duty",
    "answers_ended",
    "budget",
    "classify",
    "environment_route",
    "has_utf8_path",
    "identify",
    "is_large",
    "is_unattended_view",
    "keeps_answer",
    "known_etags",
    "needs_credential",
    "note_failure",
    "prepare",
    "presented",
    "principal",
    "public",
    "quoted",
    "recorded",
    "refuse_unkept_key",
    "register",
    "request_id",
    "require_ascii_query",
    "require_operator",
    "routes_of",
    "services",
    "set_retry_after",
    "status_of",
    "takes_password",
    "transaction",
    "translated",
    "unattended",
    "unquoted",
    "visit",
]
