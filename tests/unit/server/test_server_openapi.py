"""The checked-in description of the API is the API: rebuilt from the routes of a real composition."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import BaseRoute, Route
from tests.unit.server.doors import composed

from remit.server import compose
from remit.server.door import Door
from remit.server.openapi import ELSEWHERE, asked, document

CHECKED_IN = Path(__file__).parents[3] / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Door], list[BaseRoute]]]:
    with composed(tmp_path_factory.mktemp("remit")) as found:
        yield found


def test_the_checked_in_description_is_the_one_the_doors_give(built: tuple[list[Door], list[BaseRoute]]) -> None:
    wanted = json.dumps(document(built[0]), indent=2, ensure_ascii=False) + "\n"
    assert CHECKED_IN.read_text(encoding="utf-8") == wanted, "write it anew: scripts/openapi"


_HTTP = ("head", "put", "patch", "delete", "options")


def test_every_route_is_described(built: tuple[list[Door], list[BaseRoute]]) -> None:
    described = json.loads(CHECKED_IN.read_text(encoding="utf-8"))["paths"]
    routed = {
        (re.sub(r":[a-z]+\}", "}", route.path), method.lower())
        for route in built[1]
        if isinstance(route, Route) and not route.path.startswith("/console")  # pages, not an API
        for method in route.methods or ()
        if method != "HEAD"
    }
    told = {(path, method) for path, methods in described.items() for method in methods}
    assert routed <= told
    before_the_router = {
        ("/access/v1/evaluation", "post"),
        ("/access/v1/evaluations", "post"),
        ("/access/v1/search/subject", "post"),
        ("/access/v1/search/resource", "post"),
        ("/access/v1/search/action", "post"),
        ("/access/v1/requests", "post"),
        ("/access/v1/requests/{request}", "get"),
        ("/access/v1/requests/{request}/cancel", "post"),
        ("/v1/outcomes", "post"),
        ("/v1/me/can", "post"),
        ("/ext_authz/{server}/{path}", "post"),
        ("/mcp/{server}", "post"),
        ("/servers/{server}/mcp", "post"),
    } | {("/http/{server}/{path}", method) for method in (*_HTTP, "get", "post")}
    resource = "/.well-known/oauth-protected-resource"
    well_known = {(resource, "get"), (f"{resource}/mcp/{{server}}", "get")}
    well_known |= {(f"{resource}/http/{{server}}", "get")}
    assert told - routed == before_the_router | well_known
    elsewhere = [(asked(template)[0], method) for method, template, _, _ in ELSEWHERE]
    assert set(elsewhere) <= told
    assert len(set(elsewhere)) == len(elsewhere)


def test_every_door_names_an_action_that_the_policies_know(built: tuple[list[Door], list[BaseRoute]]) -> None:
    schema = (Path(compose.__file__).parent / "operators.cedarschema").read_text(encoding="utf-8")
    known = set(re.findall(r"[a-zA-Z]+", schema.partition("action")[2].partition("appliesTo")[0]))
    named: set[Any] = {door.action for door in built[0] if isinstance(door.action, str)}
    assert named <= known
