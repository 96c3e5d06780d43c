"""`tls_client_auth` and `self_signed_tls_client_auth`: a client shows its certificate (RFC 8705 section 2).

That it holds the certificate's key was proved where the TLS connection ended. What is left to see here is whose
certificate it is; the client says which agent it is by `client_id` (section 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from remit.agents.binding import Binding
from remit.agents.bindings.mtls import SELF_SIGNED, SIGNED, THUMBPRINT
from remit.attestation.model import Attested
from remit.kernel.clock import SECOND, Instant
from remit.kernel.errors import ConfigInvalid
from remit.kernel.names import AgentName
from remit.tokens.certificate import thumbprint
from remit.tokens.clients.ports import Client
from remit.tokens.form import one
from remit.tokens.model import Asked, OAuthError, TokenRefused
from remit.tokens.ports import Standing

_MOST_DEPTH = 4


@dataclass(frozen=True, slots=True)
class SelfSigned:
    """Implements `clients.ports.ClientMethod` for a certificate that the agent registered by its SHA-256."""

    standing: Standing
    name: str = SELF_SIGNED

    def used(self, asked: Asked) -> bool:
        """The client shows the very certificate that it registered, and nothing else."""
        # An agent stands as it stands at any time: what it registered does not depend on now.
        return _shows_nothing_else(asked) and self._registered(asked, Instant(0)) is not None

    def authenticate(self, asked: Asked, *, now: Instant) -> Client:
        """Whose certificate it is."""
        found = self._registered(asked, now)
        if found is None or asked.certificate is None:
            raise _refused("no such certificate")
        certificate = _parsed(asked.certificate)
        if not _seconds(certificate.not_valid_before_utc) <= now // SECOND <= _seconds(certificate.not_valid_after_utc):
            raise _refused("the certificate is not valid now")
        return _attested(asked, found, SELF_SIGNED), None

    def _registered(self, asked: Asked, now: Instant) -> Binding | None:
        shown = None if asked.certificate is None else thumbprint(asked.certificate)
        bindings = _bindings(self.standing, asked, SELF_SIGNED, now)
        return next((each for each in bindings if each.said[THUMBPRINT] == shown), None)


@dataclass(frozen=True, slots=True)
class SignedByAuthority:
    """Implements `clients.ports.ClientMethod` for a certificate that an authority signed.

    Args:
        standing: Where agents stand.
        authorities: The certificates of the CAs that the operator named, and never the system's own.
    """

    standing: Standing
    authorities: tuple[x509.Certificate, ...]
    name: str = SIGNED

    def used(self, asked: Asked) -> bool:
        """The client shows a certificate that is nobody's registered one, and nothing else."""
        return _shows_nothing_else(asked) and not SelfSigned(self.standing).used(asked)

    def authenticate(self, asked: Asked, *, now: Instant) -> Client:
        """Whose name is in it. The chain is checked first, so that an agent that does not exist takes as long."""
        leaf = _parsed(asked.certificate or b"")
        self._verify(leaf, [_parsed(each) for each in asked.chain], now)
        for binding in _bindings(self.standing, asked, SIGNED, now):
            ((kind, wanted),) = binding.said.items()
            if wanted in _names(leaf, kind):
                return _attested(asked, binding, SIGNED), None
        raise _refused("the certificate is for another")

    def _verify(self, leaf: x509.Certificate, above: Sequence[x509.Certificate], now: Instant) -> None:
        if not self.authorities:
            raise _refused("no authority is trusted for client certificates")
        # RFC 8705 section 2.1: names are compared by us, so a certificate without alternative names will do.
        leaves = verification.ExtensionPolicy.permit_all().may_be_present(
            x509.ExtendedKeyUsage, verification.Criticality.AGNOSTIC, _for_clients
        )
        builder = verification.PolicyBuilder().store(verification.Store(list(self.authorities)))
        builder = builder.time(datetime.fromtimestamp(now // SECOND, UTC).replace(tzinfo=None))
        builder = builder.max_chain_depth(_MOST_DEPTH).extension_policies(
            ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(), ee_policy=leaves
        )
        try:
            builder.build_client_verifier().verify(leaf, list(above))
        except (verification.VerificationError, ValueError) as error:
            raise _refused("the certificate is not by an authority that is trusted, or is not valid now") from error


def authorities(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a file that the operator named.

    Raises:
        ConfigInvalid: It holds none.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise ConfigInvalid(
            "the file of client authorities holds no certificate", try_="PEM, one after the other"
        ) from error


def _for_clients(
    _policy: verification.Policy, _certificate: x509.Certificate, usage: x509.ExtendedKeyUsage | None
) -> None:
    """RFC 5280 section 4.2.1.12: a certificate that says what it is for is for nothing else, such as for servers."""
    if usage is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise ValueError("not for clients")


def _shows_nothing_else(asked: Asked) -> bool:
    # A client_id that is a URL is a client that a person lets in (`clients/client_metadata`), and no agent's name.
    shows = asked.certificate is not None and ":" not in (one(asked.form, "client_id") or ":")
    return shows and asked.authorization is None and not {"client_assertion", "client_secret"} & asked.form.keys()


def _bindings(standing: Standing, asked: Asked, method: str, now: Instant) -> list[Binding]:
    found = standing.agent_standing(one(asked.form, "client_id") or "", now)
    return [] if found is None else [each for each in found.agent.bindings if each.method == method]


def _names(leaf: x509.Certificate, kind: str) -> list[str]:
    """What the certificate says of that kind, as an agent's document writes it."""
    if kind == "subject_dn":
        return [leaf.subject.rfc4514_string()]
    try:
        alternative = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    match kind:
        case "san_dns":
            return list(alternative.get_values_for_type(x509.DNSName))
        case "san_uri":
            return list(alternative.get_values_for_type(x509.UniformResourceIdentifier))
        case "san_email":
            return list(alternative.get_values_for_type(x509.RFC822Name))
        case _:
            return [str(each) for each in alternative.get_values_for_type(x509.IPAddress)]


def _parsed(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise _refused("the certificate cannot be read") from error


def _attested(asked: Asked, binding: Binding, method: str) -> Attested:
    return Attested(agent=AgentName(one(asked.form, "client_id") or ""), credential=binding.credential, method=method)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _refused(reason: str) -> TokenRefused:
    return TokenRefused(OAuthError.INVALID_CLIENT, "client authentication failed", reason=reason)
