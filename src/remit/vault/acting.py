"""Whose account a call uses. Pure."""

from __future__ import annotations

from collections.abc import Callable

from remit.attestation.model import Caller
from remit.catalog.injection import OauthUser
from remit.vault.connection import NotConnected


def person_behind(
    caller: Caller | None, credential: OauthUser, *, owner: Callable[[str], str], active: Callable[[str], bool]
) -> str:
    """The person whose account `caller` uses with `credential`.

    Args:
        caller: Who makes the call; None where nobody known does.
        credential: What the server's document says.
        owner: The owner of an agent; "" if there is none.
        active: Whether that is a registered person who is active.

    Raises:
        NotConnected: There is none. The owner never stands in for another person: not for one who is not registered
            (another issuer's subject), nor for one who has left.
    """
    found = "" if caller is None else caller.person
    if caller is not None and not found and credential.otherwise == "owner":
        found = owner(caller.principal)
    if not found or not active(found):
        raise NotConnected("", credential.secret)
    return found
