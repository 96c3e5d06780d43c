"""A token in one call, for scripts and for tools that are no httpx2 client."""

from __future__ import annotations

import os

import httpx2

from remit.sdk import keyfile
from remit.sdk.grant import NONCE, Grant, Token, base_url, read_token, token_endpoint, wants_nonce
from remit.sdk.keyfile import Key
from remit.sdk.platform import PlatformToken

_SECONDS = 30.0


def token(
    agent: str,
    key_file: str | os.PathLike[str] | Key | PlatformToken,
    purpose: str,
    *,
    url: str | None = None,
    server: str | None = None,
    instance_key: Key | None = None,
) -> tuple[Token, Grant]:
    """Get one access token, bound to `instance_key` or to a key made for it.

    Returns:
        The token, and the grant that makes the proof each request with it needs:
        `grant.proof("POST", url, token)`, with `nonce=` where an answer gave one in `DPoP-Nonce`.

    Raises:
        NotAuthorized: Remit refused.
        KeyFileInvalid, OSError, ValueError: No usable key or URL.
        httpx2.HTTPError: Remit cannot be reached.
    """
    key = key_file if isinstance(key_file, Key | PlatformToken) else keyfile.load(key_file)
    grant = Grant(base_url(url), agent, key, purpose, server, instance_key or keyfile.fresh())
    with httpx2.Client(timeout=_SECONDS, trust_env=False) as client:
        found = client.get(f"{grant.url}/.well-known/oauth-authorization-server")
        endpoint = token_endpoint(grant.url, found.status_code, found.content)
        answer = _asked(client, grant, endpoint, None)
        if wants_nonce(answer.status_code, "", answer.content):
            answer = _asked(client, grant, endpoint, answer.headers.get(NONCE))
    return read_token(answer.status_code, answer.content), grant


def _asked(client: httpx2.Client, grant: Grant, endpoint: str, nonce: str | None) -> httpx2.Response:
    proof = grant.proof("POST", endpoint, nonce=nonce)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "DPoP": proof}
    return client.post(endpoint, content=grant.form(), headers=headers)
