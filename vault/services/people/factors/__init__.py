"""What a person proves themselves with beside the password: authenticator apps, passkeys, recovery codes.

    kinds.py       which there are, and whether an account asks for one
    totp.py, passkeys.py, recovery.py   how each of them is made, sealed and checked
    challenges.py  what was proven so far, until the rest of it is
    enrolment.py   `Factors`: a person adds and removes them; factor.py   what they are told of them

`logins.py`, one floor up, makes sessions of what they prove.
"""

from vault.services.people.factors.challenges import Challenge, Challenges
from vault.services.people.factors.enrolment import Factors
from vault.services.people.factors.factor import Added, Factor, FactorList, PasskeyEnrolment, TotpEnrolment
from vault.services.people.factors.kinds import Kind
from vault.services.people.factors.passkeys import Passkeys
from vault.services.people.factors.recovery import RecoveryCodes
from vault.services.people.factors.totp import Totp

__all__ = [
    "Added",
    "Challenge",
    "Challenges",
    "Factor",
    "FactorList",
    "Factors",
    "Kind",
    "PasskeyEnrolment",
    "Passkeys",
    "RecoveryCodes",
    "Totp",
    "TotpEnrolment",
]
