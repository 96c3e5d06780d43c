"""What a door says it reads of a query string is what its code reads: the description of the API cannot drift."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from types import ModuleType

import pytest
from starlette.routing import BaseRoute, Route
from tests.unit.server.doors import composed
from tests.unit.server.query_reads import Source

import remit.server
from remit.audit import http as audit
from remit.server import connecting
from remit.server.door import Ask, Door
from remit.server.openapi import ELSEWHERE, asked
from remit.tokens import authorize
from remit.vault import authorization

ASKS = {"remit.server.door", "remit.server.console_desk"}  # they make what is asked, and read none of it


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Door], list[BaseRoute]]]:
    with composed(tmp_path_factory.mktemp("remit")) as found:
        yield found


@cache
def source(module: str) -> Source:
    return Source.read(importlib.import_module(module))


def read_by(door: Door) -> set[str]:
    """What the functions of a door read."""
    called = [each for each in (door.handle, door.owners, door.action, door.otherwise) if callable(each)]
    return {name for each in called for name in source(each.__module__).of(each)}


def test_a_door_names_what_it_reads_and_nothing_else(built: tuple[list[Door], list[BaseRoute]]) -> None:
    told = {f"{door.method} {door.path}": sorted(door.query) for door in built[0]}
    assert told == {f"{door.method} {door.path}": sorted(read_by(door)) for door in built[0]}
    assert {len(door.query) - len(set(door.query)) for door in built[0]} == {0}


def test_nothing_is_read_behind_the_back_of_the_doors_of_a_module(
    built: tuple[list[Door], list[BaseRoute]],
) -> None:
    named: dict[str, set[str]] = {}
    for door in built[0]:
        named.setdefault(door.handle.__module__, set()).update(door.query)
    names = [f"remit.server.{each.name}" for each in pkgutil.iter_modules(remit.server.__path__)]
    asking = [name for name in names if vars(importlib.import_module(name)).get("Ask") is Ask and name not in ASKS]
    assert set(named) <= set(asking)
    assert {name: source(name).everything() for name in asking} == {name: named.get(name, set()) for name in asking}


def test_the_routes_of_the_log_are_described_with_what_they_read(built: tuple[list[Door], list[BaseRoute]]) -> None:
    told = {path: set(names) for path, names in (asked(line[1]) for line in ELSEWHERE) if path.startswith("/v1/audit/")}
    routes = [each for each in built[1] if isinstance(each, Route) and each.path.startswith("/v1/audit/")]
    read = {each.path.replace(":path}", "}"): source(audit.__name__).named(each.endpoint.__name__) for each in routes}
    assert read == told


@pytest.mark.parametrize(
    ("path", "modules"),
    [("/oauth2/authorize", [authorize]), ("/v1/secrets/{name}/connected", [authorization, connecting])],
)
def test_what_a_browser_brings_along_is_described(path: str, modules: list[ModuleType]) -> None:
    """Parameters of RFC 6749, which these take out of a form."""
    (told,) = [names for at, names in (asked(line[1]) for line in ELSEWHERE) if at == path]
    text = "".join(inspect.getsource(each) for each in modules)
    read = re.findall(r'(?:one\(form, |form\.get\(|fields\.get\(|fields\[)"([a-z_]+)"', text)
    read += [name for names in re.findall(r'for name in \(([a-z_", ]+)\) if name in form', text)
             for name in re.findall("[a-z_]+", names)]  # fmt: skip
    assert set(read) == set(told)
    assert len(told) == len(set(told))


PLANTED = """
FIELDS = ("agent", "kind")

class Doors:
    def doors(self):
        return [Door(handle=self.list, owners=lambda ask: ask.query["owner"])]

    def list(self, ask):
        PLANTED
        return list(ask.body)

    def other(self, ask):
        return ask.query.get("other")

    def _mine(self, ask):
        return "mine" in ask.query

def sized(ask, name="size"):
    return ask.query.get(name)

def sought(query: Mapping[str, str]):
    return {name: query[name] for name in FIELDS}

def plain(query: str):
    return query.encode()
"""


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("pass", set()),
        ('ask.query.get("a", "b")', {"a"}),
        ('ask.query["a"]', {"a"}),
        ('"a" not in ask.query', {"a"}),
        ('ask.number("a", default=1, most=ask.number("b", default=2, most=3))', {"a", "b"}),
        ("self._mine(ask)", {"mine"}),
        ("[self._mine]", {"mine"}),
        ('sized(ask), sized(ask, "old"), sized(ask, name="new")', {"size", "old", "new"}),
        ("sought(ask.query)", {"agent", "kind"}),
        ("if ask.query: raise Malformed", set()),
        # What cannot be told is said to be so, and is the name of nothing.
        ("ask.query.get(self.name)", {"!9"}),
        ("name = ask.path['name']; sized(ask, name)", {"?name"}),
        ("known = ask.query", {"!9"}),
        ("dict(ask.query)", {"!9"}),
        ("ask.query.items()", {"!9"}),
        ("self.service.page(ask.query)", {"!9"}),
        ("plain(ask.query)", {"!9"}),
    ],
)
def test_each_way_to_read_is_seen(line: str, names: set[str]) -> None:
    found = Source(PLANTED.replace("PLANTED", line), {"FIELDS": ("agent", "kind")})
    assert found.named("list") == names
    clear = {name for name in names if not name.startswith("?")}
    assert found.everything() == clear | {"owner", "other", "mine", "agent", "kind"}
