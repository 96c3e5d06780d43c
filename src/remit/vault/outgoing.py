"""An outgoing HTTP request as a credential needs to know it, and what the credential adds to it. Values only."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import msgspec

from remit.attestation.model import Caller
from remit.policy.model import Call
from remit.vault.echo import Scanner


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is about to leave.

    `path` and `query` are encoded as they go over the wire, `query` without its `?`. `body` is whole.
    """

    method: str
    host: str  # as the header says it, with a port that is not the scheme's own
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""
    to: str = ""  # the exact host and port of the server's URL
    caller: Caller | None = None  # who makes the call, where the credential depends on whom it is for
    call: Call | None = None  # as it was decided, where one is made for it


class Injected(msgspec.Struct, frozen=True, kw_only=True):
    """What goes with the request. Do not log it, do not keep it.

    `echo` looks for what was added in whatever comes back.
    """

    echo: Scanner
    headers: Mapping[str, str] = {}  # a new one for each
    query: str | None = None  # in the place of the request's own
    certificate: ssl.SSLContext | None = None
    token: object = None  # which token of the authorization server it is, where there is one
    person: str = ""  # whose account it is
    version: int = 0  # of the secret
