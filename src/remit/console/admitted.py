"""Who somebody is here, and what they may, by what their provider says of them (pure). Deny by default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from remit.console.provider import EMAIL, Provider
from remit.kernel.errors import Forbidden
from remit.people.model import Owner

_SHOWN: Final = 120
_MOST_VALUES: Final = 2000  # of a person's groups


def value_of(claims: Mapping[str, Any], provider: Provider) -> str:
    """What the provider calls the person, by the claim that counts.

    Raises:
        Forbidden: It does not say so, or its e-mail address is not verified.
    """
    said = claims.get(provider.person)
    if not isinstance(said, str) or not said:
        raise Forbidden(f"{provider.name} did not say your {provider.person}", try_="ask who runs this server")
    if provider.person == EMAIL:
        _verified(claims, provider)
    return said


def person_of(said: str, provider: Provider, owners: Iterable[Owner]) -> str:
    """The person that this is here.

    Args:
        said: What the provider calls them.
        provider: How its people are found.
        owners: The registered people, as they are now.

    Raises:
        Forbidden: Nobody, or not exactly one, or one who is not active any more.
    """
    known = list(owners)
    if provider.people is not None:
        person = provider.people.get(said)
    else:
        # Two who share an address are nobody: one of them would be the other.
        found = [each for each in known if _address(each.email) == _address(said)]
        person = str(found[0].owner) if len(found) == 1 else None
    if person is None or any(str(each.owner) == person and not each.active for each in known):
        raise Forbidden(
            f"nobody here is called {said[:_SHOWN]} at {provider.name}", try_="ask who runs this server to be let in"
        )
    return person


def roles_of(claims: Mapping[str, Any], provider: Provider) -> frozenset[str]:
    """What the person may.

    Raises:
        Forbidden: Nothing.
    """
    said = claims.get(provider.role_claim)
    if provider.role_claim == EMAIL:
        _verified(claims, provider)
    values = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    found = frozenset(
        provider.roles[each] for each in values[:_MOST_VALUES] if isinstance(each, str) and each in provider.roles
    )
    if not found:
        raise Forbidden(
            f"nothing that {provider.name} says of you gives you a role here",
            detail=f"claim {provider.role_claim}",
            try_="ask who runs this server to be let in",
        )
    return found


def _address(said: str) -> str:
    """An address without its case, where that is ASCII: in Unicode, another mailbox may fold into the same letters."""
    return said.lower() if said.isascii() else said


def _verified(claims: Mapping[str, Any], provider: Provider) -> None:
    if claims.get("email_verified") is not True:  # "true" is a text, and anybody's address until it is verified
        raise Forbidden(f"{provider.name} has not verified your e-mail address", try_="verify it there")
