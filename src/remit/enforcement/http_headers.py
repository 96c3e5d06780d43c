"""Which headers of a request go upstream, and which of its answer come back (pure).

Whatever says who asks, for whom, by which way, or another method, path or object than was decided stays here; and what
an answer says for its own origin is not said for Remit's. No list of such names is whole: where an API takes arguments
of its own in headers, who may call may send any.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final

from remit.enforcement.http_events import in_utf8
from remit.kernel.errors import Malformed

_NAME = re.compile(rb"[!#$%&'*+.^`|~0-9A-Za-z-]+\Z")  # RFC 9110 section 5.6.2, but for `_`: CGI reads `-` and `_` alike
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")
_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    }
)
_REQUEST: Final = _HOP | {
    "authorization",
    "cookie",
    "cookie2",
    "dpop",
    "forwarded",
    "via",
    "x-real-ip",
    "true-client-ip",
    "client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "fastly-client-ip",
    "x-originating-ip",
    "x-forwarded",
    "forwarded-for",
    "remote-user",
    "remote-addr",
    "x-user",
    "x-auth-user",
    "x-webauth-user",
    "x-userinfo",
    "sudo",
    "as-user",
    "es-security-runas-user",
    "api-username",
    "x-redmine-switch-user",
    "x-switch-user",
    "mscrmcallerid",
    "x-scope-orgid",
    "host",
    "content-length",
    "content-type",  # of the body that was decided, set anew
    "content-encoding",
    "accept-encoding",
    "expect",
    "max-forwards",
    "origin",
    "referer",
    "user-agent",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-method",
    "x-original-url",
    "x-original-uri",
    "x-original-host",
    "x-rewrite-url",
    "x-host",
    "x-scheme",
    "x-url-scheme",
    "front-end-https",
    "client-cert",
    "client-cert-chain",
    "ssl-client-cert",
    "x-client-cert",
    "remit-act-as",
}
_REQUEST_BEGINS: Final = (
    "proxy-",
    "x-forwarded-",
    "x-original-",
    "x-envoy-",
    "x-ssl-",
    "sec-",
    "remit-",
    # As whom proxies and platforms say that a request comes: oauth2-proxy, Kong, Pomerium, Tailscale, Cloudflare,
    # Google's IAP, Azure's App Service, AWS's load balancer.
    "x-remote-",
    "impersonate-",
    "dropbox-api-select-",
    "x-authenticated-",
    "x-auth-request-",
    "x-consumer-",
    "x-pomerium-",
    "tailscale-user-",
    "cf-",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-ms-client-principal",
    "x-amzn-oidc-",
)
# Which object, operation or rights a call is about, beside what its path says: `PUT /{bucket}/{key}` with a copy source
# reads any object that Remit's key may. Left out, the call would be another one, so it is refused.
_UNDECIDED: Final = frozenset({
    "x-goog-acl", "stripe-account", "destination", "x-copy-from", "x-symlink-target", "x-ms-rename-source",
    "x-ms-file-rename-source", "x-ms-acl", "x-ms-blob-public-access", "x-vault-namespace",
})  # fmt: skip
_UNDECIDED_BEGINS: Final = ("x-amz-", "x-ms-copy-source", "x-goog-copy-source")
# Of `x-amz-`, which is signed with the call: what says nothing but of the body, and what every SDK sends of itself.
_OF_THE_BODY: Final = (
    "x-amz-meta-", "x-amz-checksum-", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token", "x-amz-user-agent",
    "x-amz-sdk-", "x-amz-trailer", "x-amz-decoded-content-length",
)  # fmt: skip
_RESPONSE: Final = _HOP | {
    "set-cookie",
    "set-cookie2",
    "www-authenticate",
    "authentication-info",
    "proxy-authenticate",
    "proxy-authentication-info",
    "content-length",
    "date",  # the front writes its own
    "location",
    "content-location",
    "refresh",
    "alt-svc",
    "alt-used",
    "clear-site-data",
    "strict-transport-security",
    "public-key-pins",
    "content-security-policy",
    "x-content-type-options",
    "service-worker-allowed",
    "sourcemap",
    "nel",
    "report-to",
    "reporting-endpoints",
    "server",
    "via",
    "dpop-nonce",
    "x-accel-redirect",
    "x-accel-buffering",
    "x-sendfile",
    "x-should-retry",
}
_RESPONSE_BEGINS: Final = ("access-control-", "proxy-", "cross-origin-", "remit-", "sec-")
# Should somebody open an answer in a browser, it is nobody's page.
_OURS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
)

_CONNECTION: Final = "connection"
_TYPE: Final = "content-type"
_NONE: Final[frozenset[str]] = frozenset()
_LONGEST: Final = 64  # of a name whose judgement is kept: the same few come all the time, and long ones fill memory

Raw = Iterable[tuple[bytes, bytes]]


def upstream(raw: Raw, *, clashes: Collection[str] = ()) -> list[tuple[str, str]]:
    """The caller's headers that go upstream, repeated ones as they were.

    Args:
        raw: As they came.
        clashes: Names in lower case in whose place the credential stands.

    Raises:
        Malformed: A header that is not well formed, or that says what no decision covers.
    """
    pairs = [(_asked(name), value) for name, value in raw]
    nominated = _nominated([value for (key, _), value in pairs if key == _CONNECTION])
    found = []
    for (key, name), value in pairs:
        if name and (key in _UNDECIDED or (key.startswith(_UNDECIDED_BEGINS) and not key.startswith(_OF_THE_BODY))):
            raise Malformed(f"the header {key} says what cannot be decided here")
        if not name or key in nominated or key in clashes:
            continue
        text = value.decode("latin-1").strip(" \t")
        if not _VALUE.match(text):
            raise Malformed("a header holds a control character")
        found.append((name, text))
    return found


def _asked(name: bytes) -> tuple[str, str]:
    """The name in lower case, and as it goes upstream; empty if it does not."""
    return _judged_request(name) if len(name) <= _LONGEST else _judged_request.__wrapped__(name)


@lru_cache(maxsize=1024)
def _judged_request(name: bytes) -> tuple[str, str]:
    if not _NAME.match(name):
        return "", ""
    text = name.decode("ascii")
    key = text.lower()
    return key, "" if key in _REQUEST or key.startswith(_REQUEST_BEGINS) else text


def back(raw: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """An answer's headers that go back to the caller, with those of Remit's own."""
    pairs = [(_told(name), value) for name, value in raw]
    nominated = _nominated([value.encode("latin-1", "replace") for (key, _), value in pairs if key == _CONNECTION])
    found = []
    for (key, name), value in pairs:
        if not name or key in nominated:
            continue
        if key == _TYPE:
            value = in_utf8(value)  # noqa: PLW2901 - one header of many
        try:
            found.append((name, value.encode("utf-8", "surrogateescape")))
        except UnicodeEncodeError:
            continue
    return [*found, *_OURS]


def _told(name: str) -> tuple[str, bytes]:
    """The same of an answer's header."""
    return _judged_response(name) if len(name) <= _LONGEST else _judged_response.__wrapped__(name)


@lru_cache(maxsize=1024)
def _judged_response(name: str) -> tuple[str, bytes]:
    key = name.lower()
    if not key.isascii() or key in _RESPONSE or key.startswith(_RESPONSE_BEGINS):
        return key, b""
    return key, key.encode("ascii")


def _nominated(values: Collection[bytes]) -> frozenset[str]:
    """What `Connection` names is for this hop alone (RFC 9110 section 7.6.1)."""
    if not values:
        return _NONE
    return frozenset(token.strip().lower() for value in values for token in value.decode("latin-1").split(","))
