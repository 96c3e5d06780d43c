"""How a secret enters an outgoing call, or a command's environment.

One kind each; all name the secret that the vault opens at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

from remit.kernel.names import SecretName


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """How a secret enters an outgoing call: `format` with `{}` replaced, as header `header`."""

    secret: SecretName
    header: str
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A command's environment variable `env`: `format` with `{}` replaced."""

    secret: SecretName
    env: str
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Basic:
    """`Authorization: Basic` of `user` and the secret (RFC 7617)."""

    secret: SecretName
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query parameter of that name. Where there is a choice, a header: URLs are written to logs."""

    secret: SecretName
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mtls:
    """A client certificate: the secret is the PEM of the certificate (and its chain) and of its key."""

    secret: SecretName


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsSigV4:
    """AWS Signature Version 4; the secret is the secret access key."""

    secret: SecretName
    access_key_id: str
    region: str
    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OauthClient:
    """A bearer token of the client credentials grant (RFC 6749 section 4.4); the secret is the client's."""

    secret: SecretName
    token_url: str
    client_id: str
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OauthUser:
    """A bearer token of a person's own account, with a refresh token that the person gave (RFC 6749 section 4.1).

    The secret is the client's. `issuer`: what `iss` of an authorization response must be (RFC 9207); empty: the server
    sends none. `revoke_url`: where a refresh token is ended (RFC 7009); empty: nowhere. `otherwise`: whose account a
    call without a person behind it uses: `owner`, the agent's; empty: none, it is denied.
    """

    secret: SecretName
    authorize_url: str
    token_url: str
    client_id: str
    scope: str = ""
    issuer: str = ""
    revoke_url: str = ""
    otherwise: str = ""


Credential = Injection | Variable | Basic | Query | Mtls | AwsSigV4 | OauthClient | OauthUser
# Kinds as they are stored and written; a header, which was there first, has no kind.
KINDS: Final[dict[str, type[Any]]] = {
    "env": Variable,
    "basic": Basic,
    "query": Query,
    "mtls": Mtls,
    "aws_sigv4": AwsSigV4,
    "oauth_client": OauthClient,
    "oauth_user": OauthUser,
}
_NAMES: Final = {of: kind for kind, of in KINDS.items()}


def kind_of(credential: Credential) -> str:
    """The word for a credential's kind."""
    return _NAMES.get(type(credential), "header")


def to_json(credential: Credential) -> dict[str, Any]:
    """A credential as it is stored, without any secret's value."""
    said = {each.name: getattr(credential, each.name) for each in fields(credential)}
    return said if isinstance(credential, Injection) else {"kind": kind_of(credential), **said}


def from_json(said: dict[str, Any]) -> Credential:
    """The credential that was stored."""
    kind = said.get("kind")
    members = {name: value for name, value in said.items() if name != "kind"}
    of: type[Any] = Injection if kind is None else KINDS[kind]
    found: Credential = of(**members)
    return found
