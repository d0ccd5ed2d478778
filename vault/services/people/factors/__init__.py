"""Second factors: authenticator apps, passkeys, recovery codes.

    kinds.py       the kinds, and whether an account requires one
    totp.py, passkeys.py, recovery.py   how each kind is made, sealed and checked
    challenges.py  what a person has proven so far, until the login is completed
    enrolment.py   `Factors`: people add and remove their factors; factor.py   what they see of them

`people/logins.py` starts sessions when a factor has been checked.
"""

from vault.services.people.factors.challenges import Challenge, Challenges
from vault.services.people.factors.enrolment import Factors
from vault.services.people.factors.factor import Added, Factor, FactorList, PasskeyEnrolment, TotpEnrolment
from vault.services.people.factors.kinds import FactorKind
from vault.services.people.factors.passkeys import Passkeys
from vault.services.people.factors.recovery import RecoveryCodes
from vault.services.people.factors.totp import Totp

__all__ = [
    "Added",
    "Challenge",
    "Challenges",
    "Factor",
    "FactorKind",
    "FactorList",
    "Factors",
    "PasskeyEnrolment",
    "Passkeys",
    "RecoveryCodes",
    "Totp",
    "TotpEnrolment",
]
