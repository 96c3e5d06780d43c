"""`credential:` of a server's document: which secret, and how it enters a call."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from remit.catalog import command
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
from remit.catalog.url import check_url
from remit.kernel.errors import Malformed
from remit.kernel.names import SecretName
from remit.people import document
from remit.people.document import Fields

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}\Z")  # RFC 9110 section 5.6.2
_PLACE = re.compile(r"\{(?:[a-z][a-z_]{0,31})?\}")
_BRACE = re.compile(r"[{}]")
_MAX_FORMAT = 256
_PLAIN = re.compile(r"[\x21-\x7e]{1,256}\Z")
_AWS = re.compile(r"[a-z0-9-]{1,64}\Z")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*\Z")  # RFC 6749 section 3.3
# Headers that frame the message or that the gateway itself sets: a secret there would break or be overwritten.
_OWN_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "dpop",
        "expect",
        "host",
        "keep-alive",
        "last-event-id",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# What an authorization request says (RFC 6749 section 4.1.1, RFC 7636 section 4.3).
_ASKED = frozenset(
    {"response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"}
)
_Make = Callable[[SecretName], Credential]


def _bearer(secret: SecretName) -> Credential:
    return Injection(secret=secret, header="Authorization", format="Bearer {}")


def credential(value: object) -> Credential:
    """The credential that a document describes; a bearer token where it does not say how.

    Raises:
        SpecInvalid: It has problems.
    """
    fields = Fields(value, known={"secret", "inject"})
    secret = fields.take("secret", document.name("a secret"))
    make = fields.maybe("inject", _inject, _bearer)
    fields.finish()
    return make(SecretName(secret))


def _inject(value: object) -> _Make:
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    if isinstance(value, dict) and len(value) == 1 and (kind := next(iter(value))) in _KINDS:
        return _KINDS[kind](value[kind])
    if isinstance(value, dict) and "env" in value:
        return _variable(value)
    fields = Fields(value, known={"header", "env", "format", *_KINDS})
    header = fields.take("header", _header)
    form = fields.maybe("format", _format, "{}")
    fields.finish()
    return lambda secret: Injection(secret=secret, header=header, format=form)


def _variable(value: object) -> _Make:
    fields = Fields(value, known={"env", "format"})
    env = fields.take("env", command.variable)
    form = fields.maybe("format", _format, "{}")
    fields.finish()
    return lambda secret: Variable(secret=secret, env=env, format=form)


def _header(value: object) -> str:
    if not isinstance(value, str) or not _HEADER.match(value):
        raise Malformed("the name of an HTTP header is expected")
    if value.lower() in _OWN_HEADERS or value.lower().startswith("mcp-"):
        raise Malformed(f"the header {value} is set by the gateway itself")
    return value


def _format(value: object) -> str:
    """A header's value around the secret: plain ASCII, so that no line break can start another header."""
    if not isinstance(value, str) or len(value) > _MAX_FORMAT or not (value.isascii() and value.isprintable()):
        raise Malformed("the format is plain ASCII text")
    if value.count("{}") != 1 or _BRACE.search(_PLACE.sub("", value)):
        raise Malformed("the format holds {} once, in the secret's place; {user} and the like are what belongs to it")
    return value


def _plain(value: object) -> str:
    if not isinstance(value, str) or not _PLAIN.match(value):
        raise Malformed("plain ASCII text without spaces is expected")
    return value


def _basic(value: object) -> _Make:
    user = _plain(value)
    if ":" in user:
        raise Malformed("a user's name has no colon (RFC 7617)")
    return lambda secret: Basic(secret=secret, user=user)


def _query(value: object) -> _Make:
    name = _plain(value)
    return lambda secret: Query(secret=secret, name=name)


def _aws(value: object) -> _Make:
    fields = Fields(value, known={"access_key_id", "region", "service"})
    key = fields.take("access_key_id", _plain)
    region, service = fields.take("region", _word), fields.take("service", _word)
    fields.finish()
    return lambda secret: AwsSigV4(secret=secret, access_key_id=key, region=region, service=service)


def _word(value: object) -> str:
    if not isinstance(value, str) or not _AWS.match(value):
        raise Malformed("lower case letters, digits and - are expected, such as eu-central-1")
    return value


def _oauth_client(value: object) -> _Make:
    fields = Fields(value, known={"token_url", "client_id", "scope"})
    url, client = fields.take("token_url", check_url), fields.take("client_id", _plain)
    scope = fields.maybe("scope", _scope, "")
    fields.finish()
    return lambda secret: OauthClient(secret=secret, token_url=url, client_id=client, scope=scope)


def _oauth_user(value: object) -> _Make:
    optional = {"scope": _scope, "issuer": check_url, "revoke_url": check_url, "otherwise": _otherwise}
    fields = Fields(value, known={"authorize_url", "token_url", "client_id", *optional})
    authorize, token = fields.take("authorize_url", _authorize_url), fields.take("token_url", check_url)
    client = fields.take("client_id", _plain)
    more = {name: fields.maybe(name, read, "") for name, read in optional.items()}
    fields.finish()
    return lambda secret: OauthUser(
        secret=secret, authorize_url=authorize, token_url=token, client_id=client, **more
    )  # fmt: skip


def _authorize_url(value: object) -> str:
    """An authorization endpoint, perhaps with a query of its own (RFC 6749 section 3.1)."""
    url = check_url(value)
    if own := sorted({name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)} & _ASKED):
        raise Malformed(f"Remit says {own[0]} itself")
    return url


def _otherwise(value: object) -> str:
    if value != "owner":
        raise Malformed("a call without a person uses the account of the agent's owner (owner), or is denied")
    return "owner"


def _scope(value: object) -> str:
    if not isinstance(value, str) or not _SCOPE.match(value):
        raise Malformed("scopes are words, with a space between them")
    return value


_WORDS: Final[dict[str, _Make]] = {"bearer": _bearer, "mtls": lambda secret: Mtls(secret=secret)}
_KINDS: Final[dict[str, Callable[[object], _Make]]] = {
    "basic": _basic,
    "query": _query,
    "aws_sigv4": _aws,
    "oauth_client": _oauth_client,
    "oauth_user": _oauth_user,
}
