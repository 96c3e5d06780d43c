"""`authorization_details` of type `remit_purpose` (pure): RFC 9396, as much of it as this version has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from remit.access.spec import clauses
from remit.kernel.canonical import canonical, parse
from remit.kernel.errors import ConfigInvalid, Malformed
from remit.tokens.model import OAuthError, TokenRefused

TYPE: Final = "remit_purpose"
_MEMBERS: Final = frozenset({"type", "purpose", "run", "allow"})


@dataclass(frozen=True, slots=True)
class Details:
    """What a request's details ask for."""

    purpose: str | None = None
    new_run: bool = False
    allow: str = (
        ""  # canonical JSON of what of an access is asked for, as a boundary's `allow` has it; empty: all of it
    )
    asked: tuple[dict[str, Any], ...] = ()

    def granted(self, purpose: str) -> tuple[dict[str, Any], ...]:
        """What was granted (RFC 9396 sections 7 and 7.1), for the answer: with the purpose where none was named too."""
        return tuple({**each, "purpose": purpose} for each in self.asked)


def details(text: str | None) -> Details:
    """Read `[{"type": "remit_purpose", "purpose": NAME, "run": "new", "allow": [...]}]`.

    All but the type may be left out. `allow` says what of another's access is asked for, in a token exchange.

    Raises:
        TokenRefused: invalid_authorization_details: another type, an unknown member or value, more than one object.
            Leaving out what was not understood would grant something else than was asked for.
    """
    if text is None:
        return Details()
    try:
        value = parse(text)
    except Malformed as error:
        raise _invalid("authorization_details is not JSON") from error
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        raise _invalid("authorization_details is one object in a list")
    wanted = value[0]
    if wanted.get("type") != TYPE or not wanted.keys() <= _MEMBERS:
        raise _invalid("authorization_details has an unknown type or member")
    purpose, run = wanted.get("purpose"), wanted.get("run")
    if not (purpose is None or isinstance(purpose, str)) or run not in (None, "new"):
        raise _invalid("authorization_details has a value that is not understood")
    return Details(purpose=purpose, new_run=run == "new", allow=_allow(wanted), asked=(wanted,))


def _allow(wanted: dict[str, Any]) -> str:
    if "allow" not in wanted:
        return ""
    try:
        clauses(wanted["allow"])
    except (Malformed, ConfigInvalid) as error:
        raise _invalid(f"allow: {error.public}"[:300]) from error
    try:
        return canonical(wanted["allow"]).decode("utf-8")
    except (TypeError, ValueError) as error:
        raise _invalid("allow: a number with a fraction is written as text") from error


def _invalid(description: str) -> TokenRefused:
    return TokenRefused(OAuthError.INVALID_AUTHORIZATION_DETAILS, description)
