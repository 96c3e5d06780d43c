"""The authority of the forward proxy, and the certificates that it shows in a server's place.

Its key is derived, as others are that nothing outside may ever be signed with: it stands in no table, every node has
the same, no re-key changes it, and it is gone with the keyfile. Its certificate is the same bytes each time.
"""

from __future__ import annotations

import datetime as dt
import os
import ssl
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from remit.kernel.clock import DAY, HOUR, SECOND, Instant

LABEL: Final = "proxy-authority"
_CURVE: Final = ec.SECP256R1()
# FIPS 186-5 appendix A.2.1: n of P-256, for a scalar from extra bits.
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_FROM: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_UNTIL: Final = dt.datetime(2036, 1, 1, tzinfo=dt.UTC)
_LEAF: Final = DAY  # how long a leaf is good for; a client whose clock is a little behind believes it too
_BEHIND: Final = HOUR
_RENEWED: Final = HOUR
_KEPT: Final = 256
_SERIAL_BYTES: Final = 16
_ORGANISATION: Final = "Remit forward proxy"


@dataclass(frozen=True, slots=True)
class _Leaf:
    context: ssl.SSLContext
    until: Instant


class Authority:
    """Makes server certificates that whoever trusts `pem` believes.

    Args:
        seed: 32 bytes of secret, of this deployment alone.
    """

    def __init__(self, seed: bytes) -> None:
        self._key = ec.derive_private_key(int.from_bytes(seed, "big") % (_ORDER - 1) + 1, _CURVE)
        self._certificate = _authority(self._key)
        self._leaf_key = ec.generate_private_key(_CURVE)  # one for all leaves of this process, and never stored
        self._leaves: OrderedDict[str, _Leaf] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def pem(self) -> str:
        """The authority's certificate."""
        return self._certificate.public_bytes(Encoding.PEM).decode("ascii")

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 of the certificate."""
        return self._certificate.fingerprint(hashes.SHA256()).hex()

    def context(self, host: str, *, now: Instant) -> ssl.SSLContext:
        """What a connection is ended with in the place of `host`, a name or an address. Quick after the first time.

        It speaks HTTP/1.1 alone (RFC 7301), and takes no other name: a client that asks for one is told so.
        """
        with self._lock:
            known = self._leaves.get(host)
            if known is not None and known.until - now > _RENEWED:
                self._leaves.move_to_end(host)
                return known.context
            made = self._leaves[host] = _Leaf(self._made(host, now), Instant(now + _LEAF))
            self._leaves.move_to_end(host)
            while len(self._leaves) > _KEPT:
                self._leaves.popitem(last=False)
            return made.context

    def _made(self, host: str, now: Instant) -> ssl.SSLContext:
        leaf = self._signed(host, now)
        key = self._leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.sni_callback = _only(host)
        held = os.memfd_create("remit", os.MFD_CLOEXEC)  # OpenSSL reads from a file only; this one has no name
        try:
            os.write(held, leaf.public_bytes(Encoding.PEM) + key)
            context.load_cert_chain(f"/proc/self/fd/{held}")
        finally:
            os.close(held)
        return context

    def _signed(self, host: str, now: Instant) -> x509.Certificate:
        begins = dt.datetime.fromtimestamp((now - _BEHIND) // SECOND, tz=dt.UTC)
        ends = dt.datetime.fromtimestamp((now + _LEAF) // SECOND, tz=dt.UTC)
        public = self._leaf_key.public_key()
        issuer = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(host[:64]))  # X.520: a common name has at most 64 characters; nobody matches it
            .issuer_name(self._certificate.subject)
            .public_key(public)
            .serial_number(int.from_bytes(os.urandom(_SERIAL_BYTES), "big") >> 1)
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.SubjectAlternativeName([_alternative(host)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256())


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """The authority's own certificate: deterministic, so that one that was installed stays the one in use."""
    public = key.public_key()
    digest = hashes.Hash(hashes.SHA256())
    digest.update(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    serial = digest.finalize()[:_SERIAL_BYTES]
    name = _name(f"{_ORGANISATION} {serial.hex()[:8]}")
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(int.from_bytes(serial, "big") >> 1 or 1)
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=signs, crl_sign=signs, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _only(host: str) -> Callable[[ssl.SSLObject, str | None, ssl.SSLContext], int | None]:
    def named(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> int | None:
        # What was asked of the proxy is what is asked in here: no server is named that was not decided about.
        return None if name is None or name.lower() == host else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    return named
