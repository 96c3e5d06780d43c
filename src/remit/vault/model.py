"""Secrets as the vault keeps them: a name, its versions, sealed bytes; never the value.

A version comes, serves and goes:

    pending     made, and sealed here before anybody outside knew it; no call uses it
    active      calls use it; a secret has one at most
    draining    replaced; calls that have it in hand end with it, and no new call takes it
    revoked     worth nothing any more; its bytes and the key that sealed them are erased
    failed      never came into use: it did not work, or could not be made; erased
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from remit.kernel.canonical import canonical
from remit.kernel.clock import Instant
from remit.kernel.errors import Malformed, RemitError
from remit.kernel.names import SecretName
from remit.keys.secret import Secret
from remit.vault.certificate import BEGINS, check_pem

MAX_ATTRIBUTE = 256
MAX_VALUE = 8192  # a header line; most servers take no longer one
RESERVED = "rotation"  # the attribute of what stands in for a value that a provider is asked to choose: a rotation's id
SHORTEST = 8  # a shorter value stands in ordinary text by chance, so nothing could look for it in answers


class SecretUnavailable(RemitError):
    """The credential a call needs is missing or does not open: the call is denied, retryable."""

    code = "enforcement_unavailable"


class VersionState(StrEnum):
    """Where a version of a secret is in its life."""

    PENDING = "pending"
    ACTIVE = "active"
    DRAINING = "draining"
    REVOKED = "revoked"
    FAILED = "failed"


HELD: Final = (VersionState.PENDING, VersionState.ACTIVE, VersionState.DRAINING)
"""The states in which a value is still there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What opens something at another system: the secret, and what of it is no secret (user, access key id)."""

    value: Secret
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a secret as it stands in the database and in memory. `key`: the owner of its data key."""

    secret: SecretName
    version: int
    state: VersionState
    sealed: bytes | None
    key: str
    attributes: Mapping[str, str]
    made: Instant
    since: Instant
    exposed: Instant | None = None
    exposure: str = ""


def topic(name: str) -> str:
    """What the feed says when anything of a secret changed."""
    return f"secret:{name}"


def key_owner(name: str, version: int) -> str:
    """The owner of a version's data key: each has its own, which is erased with it (crypto-shredding)."""
    return f"secret:{name}@{version}"


def place(name: str, version: int, attributes: Mapping[str, str]) -> tuple[str | int, ...]:
    """Where a sealed value belongs: it opens in no other row, and not beside another user's name."""
    said = attributes_text(attributes)
    return ("secrets", name, version, said) if said else ("secrets", name, version)


def attributes_text(attributes: Mapping[str, str]) -> str:
    """Attributes in their one form; empty if there are none."""
    return canonical(dict(attributes)).decode() if attributes else ""


def check_attributes(attributes: Mapping[str, str]) -> None:
    """Refuse what would write more than its own place: a header's further line, the password in a user's name.

    Raises:
        Malformed: One is no short line of printable ASCII, or a user's name has a colon (RFC 7617 section 2).
    """
    for name, value in attributes.items():
        if not (0 < len(value) <= MAX_ATTRIBUTE and value.isascii() and value.isprintable()):
            raise Malformed("an attribute of a secret is a short line of printable ASCII", detail=name[:80])
        if name == "user" and ":" in value:
            raise Malformed("a user's name has no colon", detail=name)


def check_material(it: Material) -> None:
    """Both at once, and that the value does not stand in what everybody sees who may see that there is the secret.

    Attack, or a mistake: a provider knows a credential by itself, and the document takes that for its attribute.

    Raises:
        Malformed: As of `check_value` and `check_attributes`, or an attribute has the value in it.
    """
    check_value(it.value)
    check_attributes(it.attributes)
    for name, text in it.attributes.items():
        if it.value.reveal() in text.encode():
            raise Malformed("an attribute of a secret is no secret: its value stands in one", detail=name[:80])


def check_value(value: Secret) -> None:
    """Refuse what cannot be a header's value, and is no client certificate with its key either.

    A line break would let whoever sets a secret write further headers, or a second request
    (request splitting, RFC 9110 section 5.5).

    Raises:
        Malformed: Empty, too short, too long, or holds anything but printable ASCII without spaces around it; or a
            PEM that is no certificate with its key.
    """
    octets = value.reveal()
    if octets.startswith(BEGINS):
        check_pem(octets)
        return
    if not octets or len(octets) > MAX_VALUE:
        raise Malformed(f"a secret has {SHORTEST} to {MAX_VALUE} characters")
    if any(octet < 0x20 or octet > 0x7E for octet in octets):  # noqa: PLR2004 - the ends of printable ASCII
        raise Malformed("a secret is printable ASCII, without line breaks")
    if octets != octets.strip():
        raise Malformed("a secret has no spaces at its ends")
    if len(octets) < SHORTEST:
        # The scan of what servers send back would have to leave it out, and nobody would know.
        raise Malformed(
            f"a secret has at least {SHORTEST} characters: a shorter one cannot be found again in what servers answer"
        )
