"""The credential of an HTTP server, put into one outgoing request: by its kind, at the moment of use."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from typing import Protocol
from urllib.parse import quote

from remit.attestation.model import Caller
from remit.catalog.injection import (
    AwsSigV4,
    Basic,
    Credential,
    Injection,
    Mtls,
    OauthClient,
    OauthUser,
    Query,
    Variable,
)
from remit.kernel.clock import Clock
from remit.keys.secret import Secret
from remit.vault import certificate, sigv4
from remit.vault.client_tokens import ClientTokens
from remit.vault.echo import Scanner, Told
from remit.vault.held_tokens import Held
from remit.vault.lately import Lately
from remit.vault.lends import Lends
from remit.vault.model import SecretUnavailable
from remit.vault.outgoing import Injected, Outgoing
from remit.vault.service import Lent, Seen, formatted, unseen
from remit.vault.user_tokens import UserTokens

Behind = Callable[[Caller | None, OauthUser], str]  # whose account a call uses; raises NotConnected


_OF_ALL = (Mtls, OauthClient, OauthUser)


class Open(Protocol):
    """Opens a secret for one use."""

    def __call__(self, credential: Credential, *, host: str = ..., path: str = ...) -> Lent:
        """What is lent of it, if it may go there. Raises SecretUnavailable."""
        ...


class Injector:
    """Puts credentials into requests. Belongs to one event loop.

    Args:
        open_: Opens a secret, if its document lets it go where it would.
        tokens: Gets what an authorization server gives for one.
        clock: For what is signed with a time.
        users: Gets what it gives for a person's own account.
        behind: Whose account that is.
        seen: Told which secret came back, and in which form.
        lends: Lends what is made for one instance each.
    """

    def __init__(
        self, open_: Open, tokens: ClientTokens, clock: Clock, *, users: UserTokens, behind: Behind,
        seen: Seen = unseen, lends: Lends | None = None,
    ) -> None:  # fmt: skip
        self._open = open_
        self._tokens = tokens
        self._clock = clock
        self._users = users
        self._behind = behind
        self._seen = seen
        self._lends = lends
        self._certificates: dict[str, tuple[int, ssl.SSLContext]] = {}
        self._lately = Lately()

    async def inject(  # noqa: PLR0911 - one for each kind
        self, credential: Credential, request: Outgoing
    ) -> Injected:
        """What `request` gets. What of the caller's is in its place must be left out by whoever sends it.

        Raises:
            SecretUnavailable: The secret is missing, may not go there, does not open, or does not fit its place.
        """
        secret, version, attributes = await self._lent(credential, request)
        told = partial(self._seen, credential.secret)
        match credential:
            case Injection():
                value = formatted(credential, Lent(secret, version, attributes))
                echo = self._lately.looking_for(secret.reveal(), told=told)
                return Injected(headers={credential.header: value}, echo=echo, version=version)
            case Basic():
                pair = f"{attributes.get('user', credential.user)}:{_line(secret, credential.secret)}".encode()
                value = f"Basic {b64encode(pair).decode()}"
                echo = self._lately.looking_for(secret.reveal(), told=told)
                return Injected(headers={"Authorization": value}, echo=echo, version=version)
            case Query():
                added = f"{quote(credential.name, safe='')}={quote(_line(secret, credential.secret), safe='')}"
                query = f"{request.query}&{added}" if request.query else added
                echo = self._lately.looking_for(secret.reveal(), told=told)
                return Injected(query=query, echo=echo, version=version)
            case Mtls():
                certificate = self._certificate(credential, secret, version)
                return Injected(certificate=certificate, echo=Scanner(()), version=version)
            case AwsSigV4():
                key = attributes.get("access_key_id", credential.access_key_id)
                headers = sigv4.signed(
                    request, secret.reveal(), access_key_id=key, region=credential.region,
                    service=credential.service, now=self._clock.now(),
                )  # fmt: skip
                signature = headers["Authorization"].rpartition("=")[2]
                echo = self._lately.looking_for(secret.reveal(), once=signature.encode(), told=told)
                return Injected(headers=headers, echo=echo, version=version)
            case Variable():  # its document was not taken so
                raise SecretUnavailable("the server's credential fits no request", detail=credential.secret)
            case OauthClient():
                held = await self._tokens.get(credential, secret, version)
                return self._bearer(secret, held, version=version, told=told)
            case OauthUser():
                person = self._behind(request.caller, credential)
                held = await self._users.get(credential, secret, person)
                return self._bearer(secret, held, version=version, told=told, person=person)

    async def _lent(self, credential: Credential, request: Outgoing) -> Lent:
        if self._lends is None or not self._lends.makes(credential.secret):
            return self._open(credential, host=request.to, path=request.path)
        if isinstance(credential, _OF_ALL):  # what comes of these is kept for all who call
            raise SecretUnavailable("a credential of one instance cannot be used so", detail=credential.secret)
        return await self._lends.lend(credential, request.call, host=request.to, path=request.path)

    def _bearer(self, secret: Secret, held: Held, *, version: int, told: Told, person: str = "") -> Injected:
        headers = {"Authorization": f"Bearer {held.value.text()}"}
        echo = self._lately.looking_for(secret.reveal(), held.value.reveal(), told=told)
        return Injected(headers=headers, echo=echo, token=held, person=person, version=version)

    def refused(self, credential: Credential, used: Injected) -> bool:
        """The API did not take it (401): whether the same request with another token is worth a try."""
        if isinstance(credential, OauthUser):
            return self._users.refused(credential, used.person, used.token)
        if not isinstance(credential, OauthClient):
            return False
        return self._tokens.refused(credential, self._open(credential).version, used.token)

    def _certificate(self, credential: Mtls, secret: Secret, version: int) -> ssl.SSLContext:
        known = self._certificates.get(credential.secret)
        if known is not None and known[0] == version:
            return known[1]
        try:
            made = certificate.context(secret.reveal())
        except (ValueError, OSError) as error:
            raise SecretUnavailable(
                "the server's credential is no client certificate", detail=credential.secret
            ) from error
        self._certificates[credential.secret] = (version, made)
        return made


def clashes(credential: Credential | None) -> frozenset[str]:
    """The headers, in lower case, in which a caller's own word would stand beside the credential, or for it."""
    match credential:
        case Injection():
            return frozenset({credential.header.lower()})
        case AwsSigV4():
            return sigv4.OWN
        case _:
            return frozenset()


def reserved(credential: Credential | None) -> str | None:
    """The query field that is the credential's own place, and nobody else's."""
    return credential.name if isinstance(credential, Query) else None


def whole_body(credential: Credential | None) -> bool:
    """Whether it signs the body, which then must be there before the first byte leaves."""
    return isinstance(credential, AwsSigV4)


def _line(secret: Secret, name: str) -> str:
    """The secret as text that ends no line: a certificate's PEM has line breaks and fits no header (RFC 9110 5.5)."""
    text = secret.text()
    if not (text.isascii() and text.isprintable()):
        raise SecretUnavailable("the server's credential fits no header", detail=name)
    return text
