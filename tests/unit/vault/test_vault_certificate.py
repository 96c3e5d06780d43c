"""A client certificate as a secret: what is taken, and that a real server asks for it and sees it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from remit.kernel.errors import Malformed
from remit.keys.secret import Secret
from remit.outbound.model import endpoint
from remit.outbound.session import Outbound
from remit.vault.certificate import context
from remit.vault.model import check_value


def made(name: str) -> tuple[bytes, bytes]:
    """A self-signed certificate and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(7).not_valid_before(begins).not_valid_after(begins + timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return certificate.public_bytes(serialization.Encoding.PEM), private


CERTIFICATE, KEY = made("client")
OTHER_KEY = made("other")[1]


def test_a_certificate_with_its_key_is_taken_line_breaks_and_all() -> None:
    check_value(Secret(CERTIFICATE + KEY))
    check_value(Secret(KEY + CERTIFICATE))


@pytest.mark.parametrize(
    "value",
    [
        CERTIFICATE,
        KEY,
        CERTIFICATE + OTHER_KEY,
        b"-----BEGIN CERTIFICATE-----\nxx\n",
        CERTIFICATE * 90 + KEY,
        KEY + b"x",
    ],
)
def test_what_is_no_certificate_with_its_key_is_refused(value: bytes) -> None:
    with pytest.raises(Malformed):
        check_value(Secret(value))


def test_a_server_that_asks_for_a_certificate_sees_it_and_nobody_elses(tmp_path: Path) -> None:
    certificate, key = made("localhost")
    (tmp_path / "server.pem").write_bytes(certificate + key)
    (tmp_path / "clients.pem").write_bytes(CERTIFICATE)
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(tmp_path / "server.pem")
    listening.load_verify_locations(tmp_path / "clients.pem")
    listening.verify_mode = ssl.CERT_OPTIONAL
    seen: list[Any] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                seen.append(writer.get_extra_info("peercert"))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=listening)
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}/"
        outbound = Outbound(allow={endpoint(url)})
        shown = context(CERTIFICATE + KEY)
        shown.load_verify_locations(tmp_path / "server.pem")
        for _ in range(2):
            response = await outbound.request("GET", url, certificate=shown)
            assert response.status == 200
            await response.read()
        await outbound.close()
        server.close()

    asyncio.run(main())
    assert [dict(each["subject"][0])["commonName"] for each in seen] == ["client", "client"]


def test_a_text_that_is_no_certificate_makes_no_connection() -> None:
    with pytest.raises(ValueError, match="does not load"):
        context(b"no")
