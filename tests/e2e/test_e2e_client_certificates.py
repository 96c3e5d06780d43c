"""Clients with certificates at a server that ends TLS itself, and at one behind a proxy of this machine."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.e2e.running import AGENT, PATIENCE, Home, tree

FORM = {"grant_type": "client_credentials", "client_id": "invoice-bot", "scope": "purpose:pay-invoices"}
NOT_CA = dict.fromkeys(
    ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
    False,
)


@dataclass
class Made:
    """A certificate with its key, in files."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    file: Path

    @property
    def header(self) -> str:
        """As RFC 9440 hands it on."""
        return f":{base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()}:"


def made(folder: Path, common: str, by: Made | None = None) -> Made:
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(
        issuer_name=by.certificate.subject if by else names, subject_name=names, public_key=key.public_key(),
        serial_number=x509.random_serial_number(), not_valid_before=now - dt.timedelta(days=1),
        not_valid_after=now + dt.timedelta(days=1),
    )  # fmt: skip
    signer = by.key if by else key
    builder = builder.add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if by is None:
        usage = x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **NOT_CA)
        builder = builder.add_extension(usage, critical=True)
    else:
        here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = builder.add_extension(here, critical=False)
    certificate, file = builder.sign(signer, hashes.SHA256()), folder / f"{common}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    return Made(certificate, key, file)


@pytest.fixture
def ca(tmp_path: Path) -> Made:
    return made(tmp_path, "CA")


@pytest.fixture
def bound(tmp_path: Path) -> Path:
    files = tree(tmp_path / "files", payments=9, servers__payments="[]", boundaries__none="[]")
    (files / "boundaries" / "invoice-bot.yaml").unlink()
    attest = 'attest: [{tls_client_auth: {subject_dn: "CN=bot"}}]'
    text = AGENT.partition("attest:")[0].replace("constraint: dpop", "constraint: mtls") + attest
    (files / "agents" / "invoice-bot.yaml").write_text(text, encoding="utf-8")
    return files


def client(ca: Made, shows: Made | None) -> httpx2.Client:
    context = ssl.create_default_context(cafile=str(ca.file))
    if shows is not None:
        context.load_cert_chain(shows.file)
    return httpx2.Client(verify=context, timeout=PATIENCE, trust_env=False)


@pytest.mark.requirement("mtls:client-auth")
@pytest.mark.requirement("mtls:bound-token")
def test_a_server_that_ends_tls_itself(home: Home, tmp_path: Path, ca: Made, bound: Path) -> None:
    own, bot, other = (made(tmp_path, each, ca) for each in ("server", "bot", "other"))
    stranger = made(tmp_path, "stranger")
    home.extra["SSL_CERT_FILE"] = str(ca.file)  # for the command line
    with home.up("--dev", "--tls-cert", str(own.file), "--client-ca", str(ca.file)) as up:
        url = up.ready["api"]
        assert url.startswith("https://")
        done = home.remit("apply", str(bound), "--approve", "--as", "dana")
        assert done.code == 0, done.err
        with client(ca, bot) as mine, client(ca, other) as theirs, client(ca, None) as nobody:
            answer = mine.post(f"{url}/oauth2/token", data=FORM)
            assert answer.status_code == 200, answer.text
            for each in (theirs, nobody):
                assert each.post(f"{url}/oauth2/token", data=FORM).json()["error"] == "invalid_client"
            # No header stands in for the connection.
            copied = nobody.post(f"{url}/oauth2/token", data=FORM, headers={"Client-Cert": bot.header})
            assert copied.json()["error"] == "invalid_client"
            token = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            assert mine.get(f"{url}/v1/me/mandate", headers=token).status_code == 200
            for each in (theirs, nobody):
                refused = each.get(f"{url}/v1/me/mandate", headers=token)
                assert refused.status_code == 401
                assert 'error="invalid_token"' in refused.headers["www-authenticate"]
        with client(ca, stranger) as unknown, pytest.raises(httpx2.TransportError):
            unknown.get(f"{url}/healthz")
        assert home.remit("doctor").code == 0


@pytest.mark.requirement("mtls:proxy")
def test_a_server_behind_a_proxy(home: Home, tmp_path: Path, ca: Made, bound: Path) -> None:
    bot = made(tmp_path, "bot", ca)
    with home.up("--dev", "--trusted-proxy", "127.0.0.1", "--client-ca", str(ca.file)) as up:
        url = up.ready["api"]
        assert home.remit("apply", str(bound), "--approve", "--as", "dana").code == 0
        with httpx2.Client(timeout=PATIENCE, trust_env=False, headers={"Client-Cert": bot.header}) as proxied:
            answer = proxied.post(f"{url}/oauth2/token", data=FORM)
            assert answer.status_code == 200, answer.text
            token = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            assert proxied.get(f"{url}/v1/me/mandate", headers=token).status_code == 200
            assert httpx2.get(f"{url}/v1/me/mandate", headers=token, trust_env=False).status_code == 401
            found: dict[str, Any] = httpx2.get(f"{url}/.well-known/oauth-authorization-server", trust_env=False).json()
        assert {"tls_client_auth", "self_signed_tls_client_auth"} <= set(found["token_endpoint_auth_methods_supported"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--client-ca", "CA"), "here none is ever seen"),
        (("--trusted-proxy", "0.0.0.0/0"), "every address"),
        (("--trusted-proxy", "proxy.example.test"), "no address"),
        (("--tls-cert", "MISSING"), "cannot be used"),
        (("--trusted-proxy", "127.0.0.1", "--client-ca", "MISSING"), "cannot be read"),
    ],
)
def test_what_would_not_work_does_not_start(
    home: Home, tmp_path: Path, ca: Made, options: tuple[str, ...], said: str
) -> None:
    given = [{"CA": str(ca.file), "MISSING": str(tmp_path / "none.pem")}.get(each, each) for each in options]
    done = home.remit("up", "--listen", "127.0.0.1:0", *given)
    assert done.code == 3, done.err
    assert said in done.err
