"""`authorization_details` of type `remit_purpose` (pure): RFC 9396, as much of it as this version has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from remit.kernel.canonical import parse
from remit.kernel.errors import Malformed
from remit.tokens.model import OAuthError, TokenRefused

TYPE: Final = "remit_purpose"
_MEMBERS: Final = frozenset({"type", "purpose", "run"})


@dataclass(frozen=True, slots=True)
class Details:
    """What a request's details ask for."""

    purpose: str | None = None
    new_run: bool = False
    asked: tuple[dict[str, Any], ...] = ()

    def granted(self, purpose: str) -> tuple[dict[str, Any], ...]:
        """What was granted (RFC 9396 sections 7 and 7.1), for the answer: with the purpose where none was named too."""
        return tuple({**each, "purpose": purpose} for each in self.asked)


def details(text: str | None) -> Details:
    """Read `[{"type": "remit_purpose", "purpose": NAME, "run": "new"}]`, where the last two may be left out.

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
    return Details(purpose=purpose, new_run=run == "new", asked=(wanted,))


def _invalid(description: str) -> TokenRefused:
    return TokenRefused(OAuthError.INVALID_AUTHORIZATION_DETAILS, description)
