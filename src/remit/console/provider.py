"""The provider where the console's people sign in: what its operator said about it.

Everything in here is chosen by whoever starts the server: no door of the API changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

EMAIL: Final = "email"
SUBJECT: Final = "sub"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An OpenID provider, and who its people are here.

    Attributes:
        name: What the button says.
        issuer: Byte-equal to `iss`.
        client_id: Remit, as it is known there.
        secret_file: Holds the client's secret; only its owner can read it. It is read for each sign-in.
        private: The issuer's host and port, as written, may be a private address.
        algorithms: What its ID tokens are signed with; none of them is symmetric.
        scope: What is asked for; has `openid` in it.
        person: The claim that says who somebody is: `email` (counts only if it is verified), or `sub`.
        people: Who these are here, by that claim. None: the registered people by their e-mail addresses.
        role_claim: The claim that says what they may: a text, or a list of texts.
        roles: What each of its values gives. Whoever has none of them is not let in.
    """

    name: str
    issuer: str
    client_id: str
    secret_file: Path = field(repr=False)
    private: bool = False
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    scope: str = "openid email"
    person: str = EMAIL
    people: Mapping[str, str] | None = None
    role_claim: str
    roles: Mapping[str, str]
