"""A secret's document: as it is written, as it is stored, and what is wider than what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from remit.catalog.injection import KINDS
from remit.kernel.canonical import canonical
from remit.kernel.clock import DAY, SECOND, Micros
from remit.kernel.names import OwnerName, SecretName
from remit.people.document import Problem
from remit.vault import spec
from remit.vault.document import EVENTS, Allowed, Dynamic, Rotate, SecretDocument
from remit.vault.document_json import document, text
from remit.vault.settings import MAKERS, ROTATORS
from remit.vault.widening import borrows, widens

names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,10}", fullmatch=True)
places = st.builds(
    Allowed,
    host=st.sampled_from(["", "api.test", "api.test:443", "[::1]:9"]),
    place=st.sampled_from(["", "header:X-Key", "query:k", "env:K", "rotation", *sorted(set(KINDS) - {"env", "query"})]),
    path=st.sampled_from(["", "/v1", "/v1/a"]),
).filter(lambda each: each != Allowed())
settings = st.dictionaries(
    st.sampled_from(["host", "role", "region", "path"]),
    st.text("ab/:. ", max_size=8)
    | st.integers(-9, 9)
    | st.booleans()
    | st.lists(st.text("ab", max_size=3), max_size=2),
    max_size=3,
)
durations = st.integers(1, 3000).map(lambda seconds: Micros(seconds * SECOND))
rotates = st.builds(
    Rotate, rotator=st.sampled_from(sorted(ROTATORS)), settings=settings, every=st.none() | durations, drain=durations,
    on=st.sets(st.sampled_from(EVENTS)).map(lambda found: tuple(sorted(found))),
)  # fmt: skip
dynamics = st.builds(Dynamic, maker=st.sampled_from(sorted(MAKERS)), settings=settings, ttl=durations)
ways: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}), rotates.map(lambda it: {"rotate": it}), dynamics.map(lambda it: {"dynamic": it})
)  # fmt: skip
documents = st.builds(
    lambda name, owner, allow, way, labels: SecretDocument(
        secret=SecretName(name), owner=OwnerName(owner), allow=tuple(allow), labels=labels, **way
    ),
    names, names, st.lists(places, max_size=4, unique=True), ways, st.dictionaries(names, names, max_size=2),
)  # fmt: skip


def written(it: SecretDocument) -> dict[str, object]:
    """As an author writes it."""
    said: dict[str, object] = {"secret": it.secret, "owner": it.owner, "labels": dict(it.labels)}
    if it.allow:
        every = [{"host": each.host, "place": each.place, "path": each.path} for each in it.allow]
        said["allow"] = [{key: value for key, value in each.items() if value} for each in every]
    if it.rotate is not None:
        every_ = {} if it.rotate.every is None else {"every": f"{it.rotate.every // SECOND}s"}
        more = {"drain": f"{it.rotate.drain // SECOND}s", "on": list(it.rotate.on)}
        said["rotate"] = {**every_, **more, it.rotate.rotator: dict(it.rotate.settings)}
    if it.dynamic is not None:
        said["dynamic"] = {"ttl": f"{it.dynamic.ttl // SECOND}s", it.dynamic.maker: dict(it.dynamic.settings)}
    return said


@given(documents)
def test_what_is_stored_is_read_back(it: SecretDocument) -> None:
    stored = text(it)
    assert document(msgspec.json.decode(stored)) == it
    assert canonical(msgspec.json.decode(stored)).decode() == stored, "it has one form"


@given(documents)
def test_what_is_written_is_read(it: SecretDocument) -> None:
    # What each rotator and maker takes is tried beside it; here any settings are.
    checks = dict.fromkeys(ROTATORS, _anything), dict.fromkeys(MAKERS, _anything)
    with patch.dict(ROTATORS, checks[0]), patch.dict(MAKERS, checks[1]):
        assert spec.secret(written(it)) == it


def _anything(_settings: Mapping[str, Any]) -> Iterator[Problem]:
    return iter(())


@given(documents, documents)
def test_what_is_not_wider_allows_no_place_that_was_not(before: SecretDocument, after: SecretDocument) -> None:
    if before.allow and not widens(before, after):
        assert after.allow
        assert widens(before, None)


@given(documents)
def test_nothing_is_wider_than_itself_or_than_anywhere(it: SecretDocument) -> None:
    assert widens(it, it) == ()
    assert widens(None, it) == ()
    if not it.allow:
        assert widens(it, None) == ()


@given(documents, places)
def test_fewer_places_are_not_wider(it: SecretDocument, more: Allowed) -> None:
    both = SecretDocument(secret=it.secret, owner=it.owner, allow=(*it.allow, more))
    one = SecretDocument(secret=it.secret, owner=it.owner, allow=(more,))
    assert widens(both, one) == ()


def test_how_often_is_no_place() -> None:
    base = {"secret": "key", "owner": "dana", "allow": [{"host": "api.test"}]}
    before = spec.secret(base | {"rotate": {"every": "30d", "aws": {"user": "u", "admin": "a"}}})
    sooner = spec.secret(base | {"rotate": {"every": "1d", "on": [], "aws": {"user": "u", "admin": "a"}}})
    other = spec.secret(base | {"rotate": {"every": "30d", "aws": {"user": "v", "admin": "a"}}})
    assert (widens(before, sooner), len(widens(before, other)), len(widens(spec.secret(base), before))) == ((), 1, 1)
    assert before.rotate is not None
    assert before.rotate.every == 30 * DAY


@given(documents, st.sampled_from(["", "root"]), st.booleans())
def test_who_signs_in_with_what_may_go_anywhere_borrows_it_once(
    after: SecretDocument,
    signs: str,
    confined: bool,  # noqa: FBT001 - drawn
) -> None:
    settings = {"admin": signs} if signs else {}
    rotate = None if after.rotate is None else replace(after.rotate, settings=settings)
    dynamic = None if after.dynamic is None else replace(after.dynamic, settings=settings)
    said = replace(after, rotate=rotate, dynamic=dynamic)
    found = borrows(None, said, lambda name: confined and name == "root")
    ways = [each for each in (rotate, dynamic) if each is not None]
    assert len(found) == (len(ways) if signs and not confined else 0)
    assert borrows(said, said, lambda _name: False) == borrows(said, None, lambda _name: False) == ()
