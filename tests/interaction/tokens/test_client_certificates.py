"""Certificates behind a trusted proxy: who a client is by one, and tokens that are good with it alone (RFC 8705)."""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from remit.agents.binding import Binding
from remit.agents.bindings.mtls import SELF_SIGNED, SIGNED, THUMBPRINT, self_signed, signed
from remit.agents.model import SenderConstraint
from remit.kernel.clock import SECOND
from remit.server.proxies import trusted
from remit.tokens.certificate import SHOWN, Shown, of_connection, thumbprint
from remit.tokens.check import TokenInvalid
from remit.tokens.clients.mtls import SelfSigned, SignedByAuthority, authorities
from remit.tokens.status import body

PROXY = "10.0.0.5"
DAYS = dt.timedelta(days=30)


@dataclass
class Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def made(
    now: int,
    common: str,
    *,
    by: Authority | None = None,
    ca: bool = False,
    days: int = 0,
    also: tuple[x509.ExtensionType, ...] = (),
) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    begin = dt.datetime.fromtimestamp(now // SECOND, dt.UTC) - DAYS + dt.timedelta(days=days)
    builder = x509.CertificateBuilder(
        issuer_name=by.certificate.subject if by else name(common), subject_name=name(common),
        public_key=key.public_key(), serial_number=x509.random_serial_number(), not_valid_before=begin,
        not_valid_after=begin + 2 * DAYS,
    )  # fmt: skip
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
             "decipher_only"), False,
        )  # fmt: skip
        builder = builder.add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **usage), critical=True
        )
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    signer = by.key if by else key
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    for each in also:
        builder = builder.add_extension(each, critical=False)
    return Authority(builder.sign(signer, hashes.SHA256()), key)


def header(certificate: x509.Certificate) -> str:
    return f":{base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()}:"


def x5t(certificate: x509.Certificate) -> str:
    return thumbprint(certificate.public_bytes(Encoding.DER))


class Behind:
    """A deployment behind a proxy, which says who connected to it."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.ca = made(world.now, "CA", ca=True)
        pem = self.ca.certificate.public_bytes(Encoding.PEM)
        world.service.clients += (
            SelfSigned(world.standing), SignedByAuthority(world.standing, authorities(pem)),
        )  # fmt: skip
        self.inner = world.app
        self.proxies = trusted([PROXY, "fd00::/8"])
        self.client = PROXY
        self.leaf = made(world.now, "invoice-bot", by=self.ca)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["client"] = (self.client, 40000)
            self.proxies.pass_on(scope)
            assert not [name for name, _ in scope["headers"] if name.lower().startswith(b"client-cert")]
        await self.inner(scope, receive, send)

    def register(self, *bindings: Binding, constraint: SenderConstraint = SenderConstraint.MTLS) -> None:
        self.world.register(
            self.world.agent(
                "invoice-bot", self.world.client_key, "pay-invoices", sender_constraint=constraint, bindings=bindings
            )
        )

    def signed(self, **said: str) -> Binding:
        return Binding(SIGNED, signed(said))

    def own(self, certificate: x509.Certificate) -> Binding:
        return Binding(SELF_SIGNED, self_signed({THUMBPRINT: x5t(certificate)}))

    def ask(
        self, certificate: x509.Certificate | None = None, *, chain: str | None = None, headers: Any = None, **form: Any
    ) -> Any:
        sent = [("Content-Type", "application/x-www-form-urlencoded")]
        sent += headers or [("Client-Cert", header(certificate or self.leaf.certificate))]
        sent += [("Client-Cert-Chain", chain)] if chain else []
        asked = {"grant_type": "client_credentials", "client_id": "invoice-bot", "scope": "purpose:pay-invoices"} | form
        with TestClient(self, base_url=self.world.base) as client:
            return client.post("/oauth2/token", data=asked, headers=sent)

    def refused(self, answer: Any, reason: str) -> None:
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), answer.text
        assert answer.json()["error_description"] == "client authentication failed"
        (entry,) = self.world.entries("refused")
        assert reason in entry["reason"]
        assert "agent" not in entry
        assert self.world.entries("token") == []


@pytest.fixture
def behind(world: Any) -> Behind:
    return Behind(world)


@pytest.mark.requirement("mtls:client-auth")
@pytest.mark.requirement("mtls:cnf")
def test_the_name_in_a_certificate_of_the_named_authority_is_the_agent(behind: Behind) -> None:
    behind.register(behind.signed(subject_dn="CN=invoice-bot,O=Example"))
    answer = behind.ask()
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "Bearer"
    found = behind.world.checker.read(answer.json()["access_token"], now=behind.world.now)
    assert (found.x5t, found.jkt) == (x5t(behind.leaf.certificate), None)
    assert found.caller.bound
    assert found.caller.instance == x5t(behind.leaf.certificate)
    (entry,) = behind.world.entries("token")
    assert (entry["agent"], entry["bound"]) == ("invoice-bot", True)
    assert entry["credential"].startswith("tls_client_auth:")


@pytest.mark.requirement("mtls:client-auth")
@pytest.mark.parametrize(
    ("said", "extension"),
    [
        ({"san_dns": "bot.example.test"}, x509.DNSName("bot.example.test")),
        ({"san_uri": "spiffe://example.test/bot"}, x509.UniformResourceIdentifier("spiffe://example.test/bot")),
        ({"san_email": "bot@example.test"}, x509.RFC822Name("bot@example.test")),
        ({"san_ip": "10.1.2.3"}, x509.IPAddress(ip_address("10.1.2.3"))),
    ],
)
def test_or_one_of_its_alternative_names(behind: Behind, said: dict[str, str], extension: x509.GeneralName) -> None:
    names = x509.SubjectAlternativeName([x509.DNSName("other.example.test"), extension])
    leaf = made(behind.world.now, "whatever", by=behind.ca, also=(names,))
    behind.register(behind.signed(**said))
    assert behind.ask(leaf.certificate).status_code == 200
    assert behind.ask(behind.leaf.certificate).status_code == 401


@pytest.mark.requirement("mtls:client-auth")
def test_an_authority_between_is_taken_from_the_chain(behind: Behind) -> None:
    between = made(behind.world.now, "between", by=behind.ca, ca=True)
    leaf = made(behind.world.now, "invoice-bot", by=between)
    behind.register(behind.signed(subject_dn="CN=invoice-bot,O=Example"))
    assert behind.ask(leaf.certificate, chain=header(between.certificate)).status_code == 200
    assert behind.ask(leaf.certificate).status_code == 401


@pytest.mark.requirement("mtls:self-signed")
def test_a_certificate_that_is_registered_itself_needs_no_authority(behind: Behind) -> None:
    own = made(behind.world.now, "anything")
    behind.register(behind.own(own.certificate))
    answer = behind.ask(own.certificate)
    assert answer.status_code == 200, answer.text
    (entry,) = behind.world.entries("token")
    assert entry["credential"].startswith("self_signed_tls_client_auth:")


@pytest.mark.requirement("mtls:client-auth")
@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        ("another authority", "not by an authority"),
        ("signed by itself", "not by an authority"),
        ("another name", "is for another"),
        ("past", "not by an authority"),
        ("future", "not by an authority"),
        ("for servers", "not by an authority"),
        ("an agent's own as authority", "not by an authority"),
        ("unknown agent", "is for another"),
        ("no certificate at all", "no client assertion"),
        ("not a certificate", "cannot be read"),
    ],
)
def test_nothing_else_is(behind: Behind, attack: str, reason: str) -> None:
    now, ca = behind.world.now, behind.ca
    behind.register(behind.signed(subject_dn="CN=invoice-bot,O=Example"))
    servers = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    form: dict[str, Any] = {}
    headers = None
    chain = None
    leaf = behind.leaf.certificate
    if attack == "another authority":
        leaf = made(now, "invoice-bot", by=made(now, "CA", ca=True)).certificate
    elif attack == "signed by itself":
        leaf = made(now, "invoice-bot").certificate
    elif attack == "another name":
        leaf = made(now, "invoice-bot2", by=ca).certificate
    elif attack in {"past", "future"}:
        leaf = made(now, "invoice-bot", by=ca, days=-60 if attack == "past" else 60).certificate
    elif attack == "for servers":
        leaf = made(now, "invoice-bot", by=ca, also=(servers,)).certificate
    elif attack == "an agent's own as authority":
        other = made(now, "other-bot", by=ca)
        leaf, chain = made(now, "invoice-bot", by=other).certificate, header(other.certificate)
    elif attack == "unknown agent":
        form = {"client_id": "no-such-bot"}
    elif attack == "no certificate at all":
        headers = [("X-Client-Cert", header(leaf))]
    else:
        headers = [("Client-Cert", ":AAAA:")]
    behind.refused(behind.ask(leaf, headers=headers, chain=chain, **form), reason)


@pytest.mark.requirement("mtls:self-signed")
@pytest.mark.parametrize("days", [-60, 60])
def test_a_registered_certificate_is_good_while_it_says_so(behind: Behind, days: int) -> None:
    own = made(behind.world.now, "anything", days=days)
    behind.register(behind.own(own.certificate))
    behind.refused(behind.ask(own.certificate), "not valid now")


@pytest.mark.requirement("mtls:proxy")
@pytest.mark.parametrize("client", ["10.0.0.6", "127.0.0.1", "::1", "not an address", "fe80::1"])
def test_only_the_listed_proxy_is_believed(behind: Behind, client: str) -> None:
    behind.register(behind.signed(subject_dn="CN=invoice-bot,O=Example"))
    behind.client = client
    behind.refused(behind.ask(), "no client assertion")


@pytest.mark.requirement("mtls:proxy")
@pytest.mark.parametrize("client", ["::ffff:10.0.0.5", "fd00::7"])
def test_its_address_may_be_written_differently_or_be_a_network(behind: Behind, client: str) -> None:
    behind.register(behind.signed(subject_dn="CN=invoice-bot,O=Example"))
    behind.client = client
    assert behind.ask().status_code == 200


@pytest.mark.requirement("mtls:proxy")
def test_two_headers_are_none(behind: Behind) -> None:
    """A proxy that adds its own beside what the client wrote: which of the two is the client's, nobody knows."""
    behind.register(behind.signed(subject_dn="CN=invoice-bot,O=Example"))
    mine, theirs = header(behind.leaf.certificate), header(made(behind.world.now, "x", by=behind.ca).certificate)
    behind.refused(behind.ask(headers=[("Client-Cert", mine), ("client-cert", theirs)]), "no client assertion")


@pytest.mark.requirement("mtls:proxy")
def test_the_proxys_own_certificate_is_not_its_clients(behind: Behind) -> None:
    """It may prove itself to us with one: then a client that showed none would be taken for the proxy."""
    own = Shown(behind.leaf.certificate.public_bytes(Encoding.DER))
    scope: dict[str, Any] = {"headers": [(b"host", b"remit.test")], "client": (PROXY, 1), SHOWN: own}
    behind.proxies.pass_on(scope)
    assert of_connection(scope) is None
    # Of a connection that is no proxy's, what TLS showed stays.
    direct: dict[str, Any] = {"headers": [(b"client-cert", b":AAAA:")], "client": ("10.0.0.9", 1), SHOWN: own}
    behind.proxies.pass_on(direct)
    assert (of_connection(direct), direct["headers"]) == (own, [])


@pytest.mark.requirement("mtls:bound-token")
def test_a_bound_token_is_good_with_its_certificate_alone(behind: Behind) -> None:
    behind.register(behind.signed(subject_dn="CN=invoice-bot,O=Example"))
    token = behind.ask().json()["access_token"]
    der = behind.leaf.certificate.public_bytes(Encoding.DER)
    caller, proof = behind.world.check(token, scheme="Bearer", proof=None, certificate=der)
    assert (caller.agent, caller.bound, proof) == ("invoice-bot", True, None)
    other = made(behind.world.now, "invoice-bot", by=behind.ca).certificate.public_bytes(Encoding.DER)
    for shown in (None, other, b""):
        with pytest.raises(TokenInvalid) as caught:
            behind.world.check(token, scheme="Bearer", proof=None, certificate=shown)
        assert (caught.value.error, caught.value.scheme) == ("invalid_token", "Bearer")
    with pytest.raises(TokenInvalid):
        behind.world.check(token, scheme="DPoP", certificate=der)


@pytest.mark.requirement("mtls:bound-token")
def test_an_agent_with_a_key_asks_with_its_certificate_and_gets_a_bound_token(behind: Behind) -> None:
    """RFC 8705 section 3: the binding is apart from how the client authenticates."""
    behind.register()
    assertion = behind.world.form()
    answer = behind.ask(made(behind.world.now, "any").certificate, **assertion)
    assert answer.status_code == 200, answer.text
    assert behind.world.checker.read(answer.json()["access_token"], now=behind.world.now).x5t is not None


@pytest.mark.requirement("mtls:bound-token")
def test_without_a_certificate_such_an_agent_gets_nothing(behind: Behind) -> None:
    behind.register()
    answer = behind.world.post()
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "certificate" in answer.json()["error_description"]


def test_two_ways_at_once_are_none(behind: Behind) -> None:
    own = made(behind.world.now, "anything")
    behind.register(behind.own(own.certificate))
    answer = behind.ask(own.certificate, client_secret="x")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_the_status_of_a_token_says_what_it_is_bound_to(behind: Behind) -> None:
    world = behind.world
    behind.register(behind.signed(subject_dn="CN=invoice-bot,O=Example"))
    token = behind.ask().json()["access_token"]
    said = body(world.checker.read(token, now=world.now), issuer=world.base)
    assert (said["cnf"], said["token_type"]) == ({"x5t#S256": x5t(behind.leaf.certificate)}, "Bearer")


def test_what_is_taken_from_the_agent_opens_no_more(behind: Behind) -> None:
    behind.register(behind.signed(subject_dn="CN=invoice-bot,O=Example"))
    assert behind.ask().status_code == 200
    behind.register(behind.signed(subject_dn="CN=other-bot,O=Example"))
    assert behind.ask().status_code == 401


def test_the_metadata_lists_both_ways(behind: Behind) -> None:
    found = behind.world.service.metadata()
    assert {SIGNED, SELF_SIGNED} <= set(found["token_endpoint_auth_methods_supported"])
    assert found["tls_client_certificate_bound_access_tokens"] is True
    assert "mtls_endpoint_aliases" not in found
