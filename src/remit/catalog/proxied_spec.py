"""`proxy:`, `ca:` and `placeholder:` of an HTTP server's document: how agents reach it that are not rewritten."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit.catalog.injection import Basic, Credential, Injection, Mtls, OauthClient, OauthUser, Query
from remit.catalog.model import Proxied
from remit.catalog.operation import CONNECT, MEDIA, PLACES
from remit.kernel.errors import Malformed
from remit.people import document
from remit.people.document import Fields

KEYS: Final = frozenset({"proxy", "ca", "placeholder"})
TUNNELLED: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": CONNECT,
        "inputSchema": {"type": "object", "properties": {}, "additionalProperties": False},
        "_meta": {PLACES: {MEDIA: []}},
    },
)
_MAX_PEM: Final = 64 * 1024
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}\Z")
# What would turn a command's loader, shell or proxy, or what `remit run` itself says.
_NOT_OURS = re.compile(
    r"(PATH|HOME|SHELL|ENV|IFS|USER|LOGNAME|TMPDIR|(LD|DYLD|REMIT|PYTHON|NODE|SSL|CURL|GIT)_.*|.*_PROXY)\Z"
)
_SURFACES: Final = (Injection, Basic, Query, OauthClient, OauthUser)


@dataclass(frozen=True, slots=True)
class Through:
    """What a document says of the forward proxy."""

    mode: Proxied | None = None
    ca: str = ""
    placeholder: str = ""


def read(fields: Fields, *, url: object, credential: Credential | None) -> Through:
    """Read the keys; what does not fit is noted in `fields`."""
    said = fields.maybe("proxy", document.choice(*Proxied), None)
    mode = None if said is None else Proxied(said)
    ca = fields.maybe("ca", check_authority, "") or ""
    placeholder = fields.maybe("placeholder", _variable, "") or ""
    secure = isinstance(url, str) and url.startswith("https://")
    if ca and not secure:
        fields.problem("ca", "is for an https URL")
    if ca and isinstance(credential, Mtls):
        fields.problem("ca", "is not taken beside a client certificate")
    if placeholder and (mode is not Proxied.INTERCEPT or not isinstance(credential, _SURFACES)):
        fields.problem("placeholder", "is for proxy: intercept, and a credential in a header or the query")
    if mode is Proxied.TUNNEL:
        _tunnel(fields, url, credential, secure=secure)
    return Through(mode, ca, placeholder)


def _tunnel(fields: Fields, url: object, credential: Credential | None, *, secure: bool) -> None:
    if not secure or not isinstance(url, str) or url.partition("://")[2].partition("/")[2]:
        fields.problem("url", "a tunnel leads to https://HOST[:PORT], with no path: nothing in it can be seen")
    if credential is not None:
        fields.problem("credential", "a tunnel takes none: nothing can be put into it")
    if fields.has("openapi"):
        fields.problem("openapi", "a tunnel's requests cannot be seen, so none can be described")
    if fields.has("ca"):
        fields.problem("ca", "a tunnel's certificate is judged by the agent")
    operations = fields.raw("operations")
    if isinstance(operations, dict) and set(operations) - {CONNECT}:
        fields.problem("operations", f"a tunnel has one operation, {CONNECT}")


def check_authority(value: object) -> str:
    """PEM of one or more certificates, and nothing else.

    Raises:
        Malformed: It is not.
    """
    if not isinstance(value, str) or not value.isascii() or len(value) > _MAX_PEM:
        raise Malformed("the PEM of a certificate is expected")
    if "PRIVATE KEY" in value:
        raise Malformed("a private key stands in it, which belongs to nobody here")
    try:
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        found.load_verify_locations(cadata=value)
    except (ssl.SSLError, ValueError) as error:
        raise Malformed("the PEM of a certificate is expected") from error
    if not found.get_ca_certs():
        raise Malformed("the certificate is no authority's (basicConstraints CA)")
    return value


def _variable(value: object) -> str:
    if not isinstance(value, str) or not _VARIABLE.match(value) or _NOT_OURS.match(value):
        raise Malformed("the name of an environment variable for a key is expected, such as OPENAI_API_KEY")
    return value
