"""Certificates that may prove that a copy is the agent (RFC 8705 section 2).

`tls_client_auth` names who the certificate is for, by its subject or by one alternative name, and a CA that the
operator named must have signed it. `self_signed_tls_client_auth` names the one certificate by its SHA-256.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final

from remit.agents.binding import READERS
from remit.kernel.errors import Malformed
from remit.people import document
from remit.people.document import Fields

SIGNED: Final = "tls_client_auth"
SELF_SIGNED: Final = "self_signed_tls_client_auth"
THUMBPRINT: Final = "x5t#S256"
# RFC 8705 section 2.1.2, without the prefix that the method's name already is.
NAMES: Final = ("subject_dn", "san_dns", "san_uri", "san_ip", "san_email")
_MOST: Final = 1024
_SHA256: Final = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z")


def signed(value: object) -> Mapping[str, Any]:
    """`{subject_dn: "CN=invoice-bot,O=Example"}`, or one of `san_dns`, `san_uri`, `san_ip`, `san_email`.

    Exactly one, matched whole: a pattern, or one of several, would let in who was not meant.
    """
    fields = Fields(value, known=set(NAMES))
    named = [each for each in NAMES if fields.has(each)]
    if len(named) != 1:
        fields.problem("", f"exactly one of {', '.join(NAMES)} is expected")
        fields.finish()
    found = {named[0]: fields.take(named[0], {"san_ip": _ip, "subject_dn": _dn}.get(named[0], _name))}
    fields.finish()
    return found


def self_signed(value: object) -> Mapping[str, Any]:
    """`{"x5t#S256": THUMBPRINT}`: base64url of the SHA-256 of the certificate in DER."""
    fields = Fields(value, known={THUMBPRINT})
    found = {THUMBPRINT: fields.take(THUMBPRINT, _thumbprint)}
    fields.finish()
    return found


def _name(value: object) -> str:
    found = document.text(most=_MOST)(value)
    if "*" in found:
        raise Malformed("a name is matched whole, and has no *")
    return found


def _dn(value: object) -> str:
    """A distinguished name (RFC 4514), in the one spelling that certificates are compared in."""
    from cryptography.x509 import Name  # noqa: PLC0415 - 20 ms that few documents need

    try:
        return Name.from_rfc4514_string(_name(value)).rfc4514_string()
    except ValueError as error:
        raise Malformed("a distinguished name is expected, such as CN=invoice-bot,O=Example") from error


def _ip(value: object) -> str:
    try:
        return str(ip_address(document.text(most=_MOST)(value)))
    except ValueError as error:
        raise Malformed("an IP address is expected") from error


def _thumbprint(value: object) -> str:
    if not isinstance(value, str) or not _SHA256.match(value):
        raise Malformed("the base64url SHA-256 of the certificate in DER is expected, 43 characters")
    return value


READERS[SIGNED] = signed
READERS[SELF_SIGNED] = self_signed
