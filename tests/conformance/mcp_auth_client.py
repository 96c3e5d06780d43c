"""The client that the MCP conformance suite runs: `python mcp_auth_client.py URL`, the scenario in its environment.

It is the client that Remit's documentation tells people to use: the `mcp` SDK with the provider that fits, and where
proofs are asked for, with those of Remit's own SDK. A person who is asked says yes.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from remit.sdk import keyfile
from remit.sdk.grant import NONCE, proof, wants_nonce

BACK = "http://127.0.0.1:3000/callback"
DOCUMENT = "https://conformance-test.local/client-metadata.json"  # the suite's word for a client's own URL
MODERN = "2026-07-28"
TOOL = "test-tool"
PATIENCE = 20.0
Context = dict[str, Any]


class Memory:
    """What the SDK keeps: tokens, and who it is at which authorization server."""

    def __init__(self, client: OAuthClientInformationFull | None = None) -> None:
        self.tokens: OAuthToken | None = None
        self.client = client

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Person:
    """A browser with a person in it: opens the address, is sent back, and hands the answer on."""

    def __init__(self) -> None:
        self.answer = ""

    async def open(self, url: str) -> None:
        async with httpx2.AsyncClient(timeout=PATIENCE, trust_env=False) as browser:
            self.answer = (await browser.get(url)).headers["location"]

    async def handed_on(self) -> AuthorizationCodeResult:
        said = {name: values[0] for name, values in parse_qs(urlsplit(self.answer).query).items()}
        return AuthorizationCodeResult(code=said["code"], state=said.get("state"), iss=said.get("iss"))


class Proving(httpx2.Auth):
    """Another provider, with a proof of Remit's SDK on what it asks and on each call."""

    requires_response_body = True

    def __init__(self, inner: httpx2.Auth) -> None:
        self.inner, self.key, self.nonces = inner, keyfile.fresh(), {}  # type: ignore[var-annotated] # by origin

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        flow = self.inner.async_auth_flow(request)
        outgoing = await anext(flow)
        while True:
            response = yield self.signed(outgoing)
            await response.aread()
            if self.heard(response):
                response = yield self.signed(outgoing)
                await response.aread()
                self.heard(response)
            try:
                outgoing = await flow.asend(as_bearer(response))
            except StopAsyncIteration:
                return

    def signed(self, request: httpx2.Request) -> httpx2.Request:
        token = request.headers.get("authorization", "").partition(" ")[2] or None
        asks = b"grant_type=" in request.content
        if token is not None and not asks:
            request.headers["authorization"] = f"DPoP {token}"
        if token is not None or asks:
            nonce = self.nonces.get(request.url.netloc)
            known = None if asks else token
            request.headers["dpop"] = proof(self.key, request.method, str(request.url), known, nonce=nonce)
        return request

    def heard(self, response: httpx2.Response) -> bool:
        """Keep the nonce; whether the request is to be made again with it."""
        if NONCE in response.headers:
            self.nonces[response.request.url.netloc] = response.headers[NONCE]
        return wants_nonce(response.status_code, response.headers.get("www-authenticate", ""), response.content)


def as_bearer(response: httpx2.Response) -> httpx2.Response:
    """The SDK's providers know one type of token, and end with an error at another."""
    try:
        said = json.loads(response.content)
    except ValueError:
        return response
    if not isinstance(said, dict) or str(said.get("token_type")).lower() != "dpop":
        return response
    content = json.dumps(said | {"token_type": "Bearer"}).encode()
    return httpx2.Response(response.status_code, json=json.loads(content), request=response.request)


# one provider each --------------------------------------------------------------------------------


def asking_a_person(url: str, context: Context) -> httpx2.Auth:
    """The authorization code flow; registered before, if the suite says so."""
    person, client = Person(), None
    if "client_id" in context:
        client = OAuthClientInformationFull(
            client_id=context["client_id"], client_secret=context["client_secret"], redirect_uris=[AnyUrl(BACK)],
            token_endpoint_auth_method="client_secret_basic", issuer=context["issuer"],
        )  # fmt: skip
    said = OAuthClientMetadata(
        client_name="remit conformance", redirect_uris=[AnyUrl(BACK)], response_types=["code"],
        grant_types=["authorization_code", "refresh_token"],
    )  # fmt: skip
    return OAuthClientProvider(
        server_url=url, client_metadata=said, storage=Memory(client), redirect_handler=person.open,
        callback_handler=person.handed_on, client_metadata_url=DOCUMENT,
    )  # fmt: skip


def with_proofs(url: str, context: Context) -> httpx2.Auth:
    return Proving(asking_a_person(url, context))


def with_a_key(url: str, context: Context) -> httpx2.Auth:
    signing = SignedJWTParameters(
        issuer=context["client_id"], subject=context["client_id"], signing_key=context["private_key_pem"],
        signing_algorithm=context["signing_algorithm"],
    )  # fmt: skip
    return PrivateKeyJWTOAuthProvider(
        server_url=url, storage=Memory(), client_id=context["client_id"],
        assertion_provider=signing.create_assertion_provider(),
    )  # fmt: skip


def with_a_secret(url: str, context: Context) -> httpx2.Auth:
    return ClientCredentialsOAuthProvider(
        server_url=url, storage=Memory(), client_id=context["client_id"], client_secret=context["client_secret"],
        token_endpoint_auth_method="client_secret_basic",
    )  # fmt: skip


def with_a_persons_word(url: str, context: Context) -> httpx2.Auth:
    """What the identity provider says is had by an exchange of the person's sign-in, as SEP-990 has it."""

    async def said(audience: str, resource: str) -> str:
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requested_token_type": "urn:ietf:params:oauth:token-type:id-jag",
            "subject_token": context["idp_id_token"],
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "audience": audience, "resource": resource, "client_id": context["idp_client_id"],
        }  # fmt: skip
        async with httpx2.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
            answer = await http.post(context["idp_token_endpoint"], data=form)
            return str(answer.raise_for_status().json()["access_token"])

    return IdentityAssertionOAuthProvider(
        server_url=url, storage=Memory(), client_id=context["client_id"], client_secret=context["client_secret"],
        issuer=authorization_server(url), assertion_provider=said, token_endpoint_auth_method="client_secret_basic",
    )  # fmt: skip


def authorization_server(url: str) -> str:
    """What an administrator would have written down; the suite does not say it, so its server is asked."""
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{parts.path}"
    found = httpx2.get(where, timeout=PATIENCE, trust_env=False).raise_for_status().json()
    return str(found["authorization_servers"][0])


PROVIDERS: dict[str, Callable[[str, Context], httpx2.Auth]] = {
    "auth/client-credentials-jwt": with_a_key,
    "auth/client-credentials-basic": with_a_secret,
    "auth/enterprise-managed-authorization": with_a_persons_word,
    "auth/dpop": with_proofs,
    "auth/dpop-nonce": with_proofs,
}


async def main(url: str) -> None:
    scenario = os.environ["MCP_CONFORMANCE_SCENARIO"]
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    era = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", MODERN)
    auth = PROVIDERS.get(scenario, asking_a_person)(url, context)
    async with (
        httpx2.AsyncClient(auth=auth, timeout=PATIENCE, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), mode="legacy" if era < MODERN else era) as client,
    ):
        await client.list_tools()
        await client.call_tool(TOOL, {})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
