"""A secret's document, `secrets/NAME.yaml`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from remit.catalog.injection import KINDS
from remit.kernel.clock import DAY, SECOND, Micros
from remit.kernel.errors import Malformed
from remit.kernel.names import OwnerName, SecretName
from remit.people import document
from remit.people.document import Fields, Problem, SpecInvalid
from remit.vault import settings
from remit.vault.allowed import host_and_port, segments
from remit.vault.document import DRAIN, DRAIN_LEAST, EVENTS, Allowed, Cause, Dynamic, Rotate, SecretDocument

_MOST_PLACES: Final = 100
_MOST_LABELS: Final = 50
_MAX_LABEL: Final = 256
_MAX_HOST: Final = 300
_EVERY_MOST: Final = Micros(3660 * DAY)
_DRAIN_MOST: Final = Micros(7 * DAY)
_TTL_MOST: Final = Micros(30 * DAY)
_LEAST: Final = Micros(SECOND)
_NAMED: Final = re.compile(
    r"(?:header:[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}|query:[\x21-\x7e]{1,256}|env:[A-Za-z_][0-9A-Za-z_]*)\Z"
)
_KINDS: Final = frozenset(KINDS) - {"env", "query"}
ROTATION: Final = "rotation"  # a place too: with this secret, a rotator signs in for another one
_PATH: Final = re.compile(r"/[\x21-\x7e]{0,1023}\Z")
_REFUSED: Final = frozenset("%;?#\\")


def secret(spec: object) -> SecretDocument:
    """The document of a secret.

    Raises:
        SpecInvalid: It has problems.
    """
    fields = Fields(spec, known={"secret", "owner", "allow", "rotate", "dynamic", "labels"})
    name = fields.take("secret", document.name("a secret"))
    owner = fields.take("owner", document.name("an owner"))
    places = document.distinct(document.items(_allowed, most=_MOST_PLACES))
    allow = fields.maybe("allow", places, ())
    rotate = fields.maybe("rotate", _rotate, None)
    dynamic = fields.maybe("dynamic", _dynamic, None)
    if fields.has("rotate") and fields.has("dynamic"):
        fields.problem("dynamic", "what is made for each instance is not rotated: either of the two")
    for part, said in (("rotate", rotate), ("dynamic", dynamic)):
        if said is not None and settings.admin(said.settings) == name:
            fields.problem(part, "nobody signs in with the very secret that is changed: admin names another one")
    labels = fields.maybe("labels", _labels, {})
    fields.finish()
    return SecretDocument(
        secret=SecretName(name), owner=OwnerName(owner), allow=allow, rotate=rotate, dynamic=dynamic, labels=labels
    )


def _allowed(value: object) -> Allowed:
    fields = Fields(value, known={"host", "place", "path"})
    host, place = fields.maybe("host", _host, ""), fields.maybe("place", _place, "")
    path = fields.maybe("path", _path, "")
    if value == {}:
        fields.problem("host", "is missing, and so are place and path: leave out allow to let it go anywhere")
    fields.finish()
    return Allowed(host=host, place=place, path=path)


def _host(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_HOST:
        raise Malformed("a host is a name or an address, with or without :PORT")
    name, port = host_and_port(value)
    if port is None:
        return name
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _place(value: object) -> str:
    if not isinstance(value, str) or not (value in _KINDS or value == ROTATION or _NAMED.match(value)):
        raise Malformed(f"a place is header:NAME, query:NAME, env:NAME, {', '.join(sorted(_KINDS))} or {ROTATION}")
    return value


def _path(value: object) -> str:
    if not isinstance(value, str) or not _PATH.match(value) or _REFUSED & set(value) or segments(value) is None:
        raise Malformed("a path begins with / and has nothing escaped, no query, and no empty segment, . or ..")
    return value


def _rotate(value: object) -> Rotate:
    fields = Fields(value, known={"every", "drain", "on", *settings.ROTATORS})
    every = fields.maybe("every", _duration(_LEAST, _EVERY_MOST), None)
    drain = fields.maybe("drain", _duration(DRAIN_LEAST, _DRAIN_MOST), DRAIN)
    events = document.distinct(document.items(document.choice(*EVENTS), least=0))
    on = fields.maybe("on", events, EVENTS)
    name, said = _by_name(fields, settings.ROTATORS)
    fields.finish()
    return Rotate(rotator=name, settings=said, every=every, drain=drain, on=tuple(sorted(map(Cause, on))))


def _dynamic(value: object) -> Dynamic:
    fields = Fields(value, known={"ttl", *settings.MAKERS})
    ttl = fields.take("ttl", _duration(_LEAST, _TTL_MOST))
    name, said = _by_name(fields, settings.MAKERS)
    fields.finish()
    return Dynamic(maker=name, settings=said, ttl=ttl)


def _by_name(fields: Fields, known: Mapping[str, settings.Read]) -> tuple[str, Mapping[str, Any]]:
    """The one of the known names that stands there, with what it says of itself."""
    said = [name for name in sorted(known) if fields.has(name)]
    if len(said) != 1:
        fields.problem(said[1] if said else min(known), f"exactly one of {', '.join(sorted(known))} is expected")
        return "", {}

    def read(value: object) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise Malformed("an object is expected")
        if found := list(settings.problems(value, known[said[0]])):
            raise SpecInvalid(found)
        return value

    return said[0], fields.take(said[0], read)


def _duration(least: Micros, most: Micros) -> Any:  # noqa: ANN401 - what reads one
    within = document.duration(most=most)

    def read(value: object) -> Micros:
        found = within(value)
        if found < least:
            raise Malformed("the duration is too short")
        return found

    return read


def _labels(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or len(value) > _MOST_LABELS:
        raise Malformed(f"an object of at most {_MOST_LABELS} labels is expected")
    line, found = document.text(most=_MAX_LABEL), dict[str, str]()
    problems: list[Problem] = []
    for key, said in value.items():
        try:
            found[document.name("a label")(key)] = line(said)
        except Malformed as error:
            problems.append(Problem(str(key)[:80], error.public))
    if problems:
        raise SpecInvalid(problems)
    return found
