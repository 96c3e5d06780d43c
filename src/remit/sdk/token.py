"""A token in one call, for scripts and for tools that are no httpx2 client."""

from __future__ import annotations

import os

import httpx2

from remit.sdk import keyfile
from remit.sdk.grant import Grant, Token, base_url, read_token, token_endpoint
from remit.sdk.keyfile import Key

_SECONDS = 30.0


def token(
    agent: str,
    key_file: str | os.PathLike[str] | Key,
    purpose: str,
    *,
    url: str | None = None,
    server: str | None = None,
    instance_key: Key | None = None,
) -> tuple[Token, Grant]:
    """Get one access token, bound to `instance_key` or to a key made for it.

    Returns:
        The token, and the grant that makes the proof each request with it needs:
        `grant.proof("POST", url, token)`.

    Raises:
        NotAuthorized: Remit refused.
        KeyFileInvalid, OSError, ValueError: No usable key or URL.
        httpx2.HTTPError: Remit cannot be reached.
    """
    key = key_file if isinstance(key_file, Key) else keyfile.load(key_file)
    grant = Grant(base_url(url), agent, key, purpose, server, instance_key or keyfile.fresh())
    with httpx2.Client(timeout=_SECONDS, trust_env=False) as client:
        found = client.get(f"{grant.url}/.well-known/oauth-authorization-server")
        endpoint = token_endpoint(grant.url, found.status_code, found.content)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "DPoP": grant.proof("POST", endpoint)}
        answer = client.post(endpoint, content=grant.form(), headers=headers)
    return read_token(answer.status_code, answer.content), grant
