"""A trust: an issuer whose word is taken for what a running copy is (pure).

Whoever declares one lets that issuer say who is which agent, within what the agents' own documents ask for. So
everything about it is said by an operator: whose tokens, for which audience, which keys, in which algorithms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import DAY, HOUR, MINUTE, Micros
from remit.kernel.errors import ConfigInvalid, Malformed, RemitError
from remit.keys.foreign import ALGORITHMS, SPIFFE_ALGORITHMS, key_set
from remit.keys.jwk import JoseInvalid
from remit.outbound.judge import reach
from remit.outbound.model import Endpoint, endpoint, target
from remit.people import document
from remit.people.document import Fields

SPIFFE: Final = "spiffe"
GENERIC: Final = "oidc"
_KEYS: Final = frozenset(
    {"trust", "preset", "issuer", "audience", "algorithms", "jwks", "jwks_url", "private", "reuse", "max_age"}
)
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]{0,253}[a-z0-9])?\Z")  # also every SPIFFE trust domain
_NUMERIC: Final = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)\.?\Z")
_MOST_URL: Final = 1024
_MOST_AUDIENCE: Final = 1024
_DEFAULT_AGE: Final = Micros(HOUR)
_LONGEST_AGE: Final = Micros(DAY + 10 * MINUTE)  # a day is the longest that a platform hands the same token out for
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """An issuer as declared. `spiffe` trusts are called as their trust domain, and nothing of two is ever merged."""

    trust: str
    preset: str  # the platform that it is; which of an agent's `attest` methods it may serve
    issuer: str  # byte-equal to `iss`; of a SPIFFE domain `spiffe://DOMAIN`
    audience: str  # what a token must be for, and for nothing else; of SPIFFE empty: the authorization server itself
    algorithms: tuple[str, ...]
    jwks: Mapping[str, Any] | None = None  # the keys themselves, given as a file; then nothing is fetched
    jwks_url: str | None = None  # where they are; of an issuer None too: its discovery document says it
    private: bool = False  # its host and port, as written, may be a private address
    reuse: bool = False  # a token may be shown again until it is too old
    max_age: Micros = _DEFAULT_AGE  # since the token was issued

    @property
    def endpoints(self) -> frozenset[Endpoint]:
        """The hosts and ports that its operator wrote, if they may be private."""
        urls = [self.jwks_url, None if self.preset == SPIFFE else self.issuer]
        return frozenset(endpoint(url) for url in urls if url) if self.private and self.jwks is None else frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What is usual on a platform: defaults of its trusts, and audiences that are somebody else's."""

    issuer: str | None = None
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    max_age: Micros = _DEFAULT_AGE
    refused_audiences: Sequence[tuple[str, str]] = ()  # how it begins, and why that is refused


def declared(spec: object, *, usual: Mapping[str, Usual]) -> Trust:
    """The trust that a document describes.

    Args:
        spec: The document.
        usual: The presets, by name.

    Raises:
        SpecInvalid: The document has problems.
    """
    fields = Fields(spec, known=_KEYS)
    name = fields.take("trust", _name)
    preset = fields.maybe("preset", document.choice(*sorted(usual)), GENERIC)
    known = usual.get(preset) or Usual()
    allowed = SPIFFE_ALGORITHMS if preset == SPIFFE else ALGORITHMS
    algorithm = document.choice(*allowed)
    algorithms = fields.maybe("algorithms", document.distinct(document.items(algorithm, most=20)), known.algorithms)
    private = fields.maybe("private", _flag, missing=False)
    reuse = fields.maybe("reuse", _flag, missing=False)
    jwks = fields.maybe("jwks", _bundle if preset == SPIFFE else _jwks, None)
    jwks_url = fields.maybe("jwks_url", lambda value: _url(value, private=bool(private)), None)
    max_age = fields.maybe("max_age", document.duration(most=_LONGEST_AGE), known.max_age)
    if preset == SPIFFE:
        issuer, audience = _domain(fields, name, jwks=jwks, url=jwks_url)
    else:
        offline = jwks is not None or jwks_url is not None
        issuer = _issuer(fields, known, private=bool(private), offline=offline)
        audience = fields.take("audience", document.text(most=_MOST_AUDIENCE))
        for start, because in known.refused_audiences:
            if isinstance(audience, str) and audience.startswith(start):
                fields.problem("audience", because)
    if jwks is not None and jwks_url is not None:
        fields.problem("jwks_url", "the keys are given or fetched, not both")
    fields.finish()
    return Trust(
        trust=name, preset=preset, issuer=issuer, audience=audience, algorithms=algorithms, jwks=jwks,
        jwks_url=jwks_url, private=bool(private), reuse=bool(reuse), max_age=max_age,
    )  # fmt: skip


def body(trust: Trust) -> str:
    """The stored body; its digest is what the log names."""
    said: dict[str, Any] = {
        "preset": trust.preset,
        "issuer": trust.issuer,
        "audience": trust.audience,
        "algorithms": list(trust.algorithms),
        "max_age": trust.max_age,
    }
    more = {"jwks": trust.jwks, "jwks_url": trust.jwks_url, "private": trust.private, "reuse": trust.reuse}
    return canonical(said | {name: value for name, value in more.items() if value}).decode("utf-8")


def stored(name: str, text: str) -> Trust:
    """The trust of a stored body.

    Raises:
        Malformed, TypeError, KeyError: The row is damaged.
    """
    said = parse(text)
    return Trust(trust=name, **{**said, "algorithms": tuple(said["algorithms"])})


def _domain(fields: Fields, name: str, *, jwks: object, url: object) -> tuple[str, str]:
    """Issuer and audience of a SPIFFE trust domain, which are not chosen."""
    for key in ("issuer", "audience"):
        if fields.has(key):
            fields.problem(key, "of a SPIFFE trust domain this is not chosen: an identity is for this deployment alone")
    if jwks is None and url is None:
        fields.problem("jwks_url", "is missing: the trust domain's bundle endpoint, or its bundle as jwks")
    return f"spiffe://{name}", ""


def _issuer(fields: Fields, known: Usual, *, private: bool, offline: bool) -> str:
    if not fields.has("issuer") and known.issuer is not None:
        return known.issuer
    return fields.take("issuer", lambda value: _url(value, private=private, fetched=not offline))


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.match(value):
        raise Malformed("a trust must match [a-z0-9][a-z0-9._-]*; of SPIFFE it is the trust domain")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Malformed("true or false is expected")
    return value


def _url(value: object, *, private: bool, fetched: bool = True) -> str:
    """An https URL in ASCII without user, query and fragment; http for a port of this machine that may be private."""
    if not isinstance(value, str) or not value.isascii() or not 0 < len(value) <= _MOST_URL:
        raise Malformed("an https URL in ASCII is expected")
    try:
        parsed, (host, _) = target(value)
    except RemitError as error:
        raise ConfigInvalid(error.public) from error
    if "?" in value or "#" in value:
        raise Malformed("the URL has no query and no fragment")
    if parsed.scheme != "https" and not (private and host in _LOOPBACK):
        raise ConfigInvalid("an https URL is expected")
    # `127.1` and `0x7f000001` are no addresses to us and are to the system's resolver.
    if _NUMERIC.match(host.rpartition(".")[2]) and not _is_address(host):
        raise ConfigInvalid("the URL's host is neither a name nor an address in its plain spelling")
    if fetched and not private:
        _public(host)
    return value


def _is_address(host: str) -> bool:
    return _reach(host) is not None


def _public(host: str) -> None:
    if _reach(host) or host in _LOOPBACK or host.endswith(".localhost"):
        raise ConfigInvalid(
            "the URL names a private address", try_="say private if it is meant, or give the keys as a file"
        )


def _reach(host: str) -> int | None:
    """How far an address reaches; None of a name."""
    try:
        return int(reach(host))
    except ValueError:
        return None


def _jwks(value: object) -> Mapping[str, Any]:
    return _keys(value, use="sig")


def _bundle(value: object) -> Mapping[str, Any]:
    return _keys(value, use="jwt-svid")


def _keys(value: object, *, use: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Malformed("a JWK set is expected")
    try:
        key_set(value, use=use)
        canonical(value)
    except (JoseInvalid, Malformed) as error:
        raise ConfigInvalid(error.public) from error
    return value
