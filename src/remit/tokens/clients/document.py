"""What a client says of itself (pure): draft-ietf-oauth-client-id-metadata-document-01, RFC 7591 section 2.

Nothing of it is trusted beyond what it can say: that answers for this client may go to these addresses, and that
requests in its name are signed with these keys. Its name is shown to the person beside its URL, never alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlsplit

from remit.agents.binding import Binding
from remit.agents.bindings.client_metadata import client_url, redirect_fits, redirect_uri
from remit.kernel.canonical import parse
from remit.kernel.errors import Malformed, RemitError
from remit.keys.jose import public_key
from remit.keys.jwk import JoseInvalid
from remit.people import document

MOST: Final = 5 * 1024  # bytes: section 6.6 of the draft
_MOST_REDIRECTS: Final = 20
_MOST_KEYS: Final = 16
_JSON: Final = "application/json"
_SECRETS: Final = ("client_secret", "client_secret_expires_at")


class ClientInvalid(RemitError):
    """There is no such client, or its document says what Remit does not take; `reason` is for the log."""

    code = "config_invalid"

    def __init__(self, public: str, *, detail: str = "") -> None:
        super().__init__(public, detail=detail)
        self.reason = public


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientDocument:
    """A client that may ask for a person's consent."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    signs: bool = False  # private_key_jwt; else it is a public client, and PKCE is its proof
    keys: tuple[Mapping[str, Any], ...] = ()
    jwks_uri: str | None = None
    renews: bool = True  # it wants refresh tokens

    @property
    def host(self) -> str:
        """Who answers for the document; empty for a client that an operator described."""
        return urlsplit(self.client_id).netloc if self.client_id.startswith("https://") else ""

    def fits(self, redirect: str) -> bool:
        """Whether answers may go there."""
        return any(redirect_fits(redirect, registered) for registered in self.redirect_uris)


def described(binding: Binding) -> ClientDocument:
    """A client that the agent's own document describes."""
    said = binding.said
    return ClientDocument(
        client_id=said["client_id"], name=said.get("name", ""), redirect_uris=tuple(said["redirect_uris"])
    )


def read_document(body: bytes, *, url: str, media_type: str) -> ClientDocument:
    """The document that stands at `url`.

    Raises:
        ClientInvalid: One of the numbered steps fails.
    """
    # (1) Small JSON, with no key twice: two readers must not see two clients.
    if len(body) > MOST:
        raise ClientInvalid("the client's metadata is over 5 KiB")
    if media_type != _JSON and not (media_type.startswith("application/") and media_type.endswith("+json")):
        raise ClientInvalid("the client's metadata is not JSON", detail=media_type[:100])
    try:
        said = parse(body)
    except Malformed as error:
        raise ClientInvalid("the client's metadata is not JSON", detail=error.public) from error
    if not isinstance(said, dict):
        raise ClientInvalid("the client's metadata is not an object")
    # (2) Section 4: it names its own URL, character by character; a copy at another host is another client.
    if said.get("client_id") != url:
        raise ClientInvalid("the client's metadata has another client_id than its URL")
    # (3) Section 4.1: no secret, for everybody can read it.
    if any(name in said for name in _SECRETS):
        raise ClientInvalid("the client's metadata holds a secret")
    method = said.get("token_endpoint_auth_method", "none")
    if method not in ("none", "private_key_jwt"):
        raise ClientInvalid("the client's token_endpoint_auth_method is none or private_key_jwt")
    # (4) It asks for what there is.
    grants = _texts(said, "grant_types", ("authorization_code", "refresh_token"))
    if "authorization_code" not in grants or "code" not in _texts(said, "response_types", ("code",)):
        raise ClientInvalid("the client's metadata does not name the grant authorization_code and the response code")
    # (5) Where answers go, and whose keys it signs with.
    signs = method == "private_key_jwt"
    return ClientDocument(
        client_id=url,
        name=_name(said),
        redirect_uris=_redirects(said),
        signs=signs,
        keys=_keys(said.get("jwks")) if signs and "jwks" in said else (),
        jwks_uri=_jwks_uri(said) if signs else None,
        renews="refresh_token" in grants,
    )


def read_keys(body: bytes) -> tuple[Mapping[str, Any], ...]:
    """The key set that stands at a client's `jwks_uri`.

    Raises:
        ClientInvalid: It is none.
    """
    try:
        return _keys(parse(body))
    except Malformed as error:
        raise ClientInvalid("the client's key set is not JSON") from error


def _redirects(said: Mapping[str, Any]) -> tuple[str, ...]:
    found = _texts(said, "redirect_uris", ())
    if not 0 < len(found) <= _MOST_REDIRECTS:
        raise ClientInvalid(f"the client's metadata has from 1 to {_MOST_REDIRECTS} redirect_uris")
    try:
        return tuple(redirect_uri(each) for each in found)
    except Malformed as error:
        raise ClientInvalid(error.public) from error


def _name(said: Mapping[str, Any]) -> str:
    try:
        return document.text(most=100)(said["client_name"]) if "client_name" in said else ""
    except Malformed as error:
        raise ClientInvalid("the client's name is not one line of at most 100 characters") from error


def _keys(found: object) -> tuple[Mapping[str, Any], ...]:
    """Public signature keys; one that is not taken is passed over, one with a private member refuses them all."""
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or not 0 < len(keys) <= _MOST_KEYS:
        raise ClientInvalid(f"the client's key set has from 1 to {_MOST_KEYS} keys")
    taken = []
    for each in keys:
        if not isinstance(each, dict) or "d" in each or "k" in each:
            raise ClientInvalid("the client's key set holds what is no public key")
        try:
            public_key(cast("dict[str, Any]", each))
        except JoseInvalid:
            continue
        taken.append(each)
    if not taken:
        raise ClientInvalid("the client's key set has no key for ES256 or Ed25519")
    return tuple(taken)


def _jwks_uri(said: Mapping[str, Any]) -> str | None:
    if ("jwks" in said) == ("jwks_uri" in said):
        raise ClientInvalid("a client with private_key_jwt has jwks or jwks_uri")
    try:
        return client_url(said["jwks_uri"]) if "jwks_uri" in said else None
    except Malformed as error:
        raise ClientInvalid("the client's jwks_uri is not an https URL with a path") from error


def _texts(said: Mapping[str, Any], name: str, missing: Sequence[str]) -> Sequence[str]:
    found = said.get(name, missing)
    if not isinstance(found, (list, tuple)) or not all(isinstance(each, str) for each in found):
        raise ClientInvalid(f"the client's {name} is not a list of texts")
    return found
