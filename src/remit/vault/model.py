"""Secrets as the vault keeps them: a name, a version, sealed bytes; never the value."""

from __future__ import annotations

from dataclasses import dataclass

from remit.kernel.clock import Instant
from remit.kernel.errors import Malformed, RemitError
from remit.kernel.names import SecretName
from remit.keys.secret import Secret
from remit.vault.certificate import BEGINS, check_pem

MAX_VALUE = 8192  # a header line; most servers take no longer one
SHORTEST = 8  # a shorter value stands in ordinary text by chance, so nothing could look for it in answers


class SecretUnavailable(RemitError):
    """The credential a call needs is missing or does not open: the call is denied, retryable."""

    code = "enforcement_unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSecret:
    """One secret as it stands in the database and in memory."""

    name: SecretName
    version: int
    sealed: bytes
    changed: Instant


def owner(name: str) -> str:
    """The owner of a secret's data key, which is also its topic on the feed."""
    return f"secret:{name}"


def place(name: str, version: int) -> tuple[str | int, ...]:
    """Where a sealed value belongs: an older version put back in its row does not open as the newer one."""
    return ("secrets", name, version)


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
