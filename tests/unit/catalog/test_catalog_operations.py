"""Operations: how they are named, matched and declared."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.catalog import spec
from remit.catalog.injection import OauthUser, from_json, to_json
from remit.catalog.model import PinState, Tier
from remit.catalog.observe import observe
from remit.catalog.operation import Routes, fault, form
from remit.kernel.names import (
    SecretName,
    split_action,
    tool_action,
    well_formed_action,
    well_formed_operation,
    well_formed_tool,
)
from remit.people.document import SpecInvalid

SEGMENTS = st.sampled_from(["a", "b", "{x}", "{y}", "c.d"])
TEMPLATES = st.lists(SEGMENTS, min_size=1, max_size=3).map(lambda parts: "GET /" + "/".join(parts))
PATHS = st.lists(st.sampled_from(["a", "b", "c.d", "z"]), min_size=1, max_size=3)


def server(operations: dict[str, Any], **more: Any) -> Any:
    read = spec.server({"server": "api", "kind": "http", "url": "http://h/v1", "operations": operations, **more})
    return observe(read, list(read.declared or ())).server


def fits(template: str, path: list[str]) -> bool:
    parts = template.removeprefix("GET /").split("/")
    return len(parts) == len(path) and all(p.startswith("{") or p == s for p, s in zip(parts, path, strict=True))


@given(st.lists(TEMPLATES, max_size=6, unique_by=form), PATHS)
def test_a_path_is_one_operation_that_it_fits_and_the_most_literal_at_the_first_difference(
    templates: list[str], path: list[str]
) -> None:
    known = [each for each in templates if not fault(each)]
    found = Routes(server({each: {} for each in known}).tools.values() if known else ()).find("GET", path)
    fitting = [each for each in known if fits(each, path)]
    assert (found is None) == (not fitting)
    if found is not None:
        literal = min(fitting, key=lambda each: [part.startswith("{") for part in each.split("/")[1:]])
        assert found[0].name == literal
        assert found[0].path(found[1]) == path


@pytest.mark.parametrize("like", ["Export", "EXPORT", "export.", "export ", "e\uff58port", "eXporT.. "])
def test_a_value_that_reads_like_a_text_beside_it_is_no_value(like: str) -> None:
    routes = Routes(server({"GET /users/{id}": {}, "GET /users/export": {}, "GET /users/{id}/all": {}}).tools.values())
    assert routes.find("GET", ["users", like]) is None
    assert routes.find("GET", ["users", like, "all"]) is None
    for path, name in ((["users", "export"], "GET /users/export"), (["users", "exports"], "GET /users/{id}")):
        found = routes.find("GET", path)
        assert found is not None
        assert found[0].name == name


@pytest.mark.parametrize(
    ("declared", "path"),
    [
        (["/{kind}/{id}", "/admin/keys"], ["admin", "Keys"]),
        (["/{kind}/{id}", "/admin/keys"], ["Admin", "keys"]),
        (["/users/{id}/{part}", "/users/export/all"], ["users", "export", "All"]),
        (["/users/{id}", "/users/export"], ["users", "export.json"]),
        (["/users/{id}/", "/users/export"], ["users", "export", ""]),
    ],
)
def test_no_value_stands_for_a_text_further_on(declared: list[str], path: list[str]) -> None:
    routes = Routes(server({f"GET {each}": {} for each in declared}).tools.values())
    assert routes.find("GET", path) is None
    other = [*path[:-1], "else"] if path[-1] else [*path[:-2], "else", ""]
    if path[0] == "Admin":
        other = ["Others", "keys"]
    found = routes.find("GET", other)
    assert found is not None
    assert found[0].name == f"GET {declared[0]}"


@given(st.text(max_size=30))
def test_a_name_is_of_a_tool_or_of_an_operation_and_never_of_both(name: str) -> None:
    assert not (well_formed_tool(name) and well_formed_operation(name))


@given(TEMPLATES)
def test_an_action_is_split_as_it_was_put_together(name: str) -> None:
    action = tool_action("api", name)
    assert action == f"api:{name}"
    assert split_action(action) == ("api", name, True)
    assert well_formed_action(action)


def test_a_method_of_mcp_is_no_operation() -> None:
    assert split_action("api:GET") == ("api", "GET", False)
    assert split_action("api:resources/read") == ("api", "resources/read", False)


@pytest.mark.parametrize(
    "name",
    [
        "GET a", "get /a", "GET  /a", "GET /a b", "GET /a//b", "GET /../a", "GET /a;b", "GET /a?b", "GET /a%20b",
        "GET /a\\b", "TRACE /a", "CONNECT /a", "GET /{a}/{a}", "GET /{a}.json", "GET /{a", "GET /{}", "GET", "",
        "GET /" + "a" * 300,
    ],
)  # fmt: skip
def test_what_cannot_be_an_operation(name: str) -> None:
    assert fault(name)
    with pytest.raises(SpecInvalid):
        server({name: {}})


def test_operations_that_no_path_tells_apart_are_refused() -> None:
    with pytest.raises(SpecInvalid, match="apart"):
        server({"GET /a/{x}": {}, "GET /a/{y}": {}})


def test_patterns_say_the_tier_of_what_they_match() -> None:
    found = server({"GET /a/{x}": {}, "DELETE /a/{x}": {}, "GET /**": {"tier": "low"}, "* /**": {"tier": "critical"}})
    assert {name: tool.tier for name, tool in found.tools.items()} == {
        "GET /a/{x}": Tier.LOW, "DELETE /a/{x}": Tier.CRITICAL,
    }  # fmt: skip


def test_path_parameters_are_arguments_and_needed() -> None:
    schema = server({"GET /a/{x}": {"arguments": {"properties": {"n": {"type": "integer"}}, "required": ["n"]}}})
    found = schema.tools["GET /a/{x}"].definition["inputSchema"]
    assert (found["required"], found["properties"]["x"]) == (["n", "x"], {"type": "string"})


def test_a_server_needs_operations_and_is_no_group() -> None:
    with pytest.raises(SpecInvalid, match="nothing to call"):
        spec.server({"server": "api", "kind": "http", "url": "http://h"})
    with pytest.raises(SpecInvalid, match="group"):
        spec.server({"server": "server", "kind": "http", "url": "http://h", "operations": {"GET /a": {}}})
    with pytest.raises(SpecInvalid, match="query"):
        spec.server({"server": "api", "kind": "http", "url": "http://h/?a=1", "operations": {"GET /a": {}}})


OPENAPI: dict[str, Any] = {
    "openapi": "3.0.3",
    "paths": {
        "/pets/{petId}": {
            "parameters": [{"name": "petId", "in": "path", "required": True, "schema": {"type": "integer"}}],
            "get": {
                "summary": "One pet",
                "parameters": [
                    {"name": "verbose", "in": "query", "schema": {"type": "boolean"}},
                    {"name": "ids", "in": "query", "explode": False,
                     "schema": {"type": "array", "items": {"type": "integer"}}},
                    {"name": "deep", "in": "query", "style": "deepObject", "schema": {"type": "object"}},
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                ],
            },
            "put": {
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                },
            },
        },
        "/upload": {"post": {"requestBody": {"content": {"image/png": {}, "application/json": {"schema": {}}}}}},
        "/odd/{a}.json": {"get": {}},
    },
    "components": {
        "schemas": {
            "Pet": {
                "allOf": [
                    {"$ref": "#/components/schemas/Named"},
                    {
                        "type": "object",
                        "required": ["weight"],
                        "properties": {
                            "id": {"type": "integer", "readOnly": True},
                            "petId": {"type": "integer"},
                            "weight": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
                            "parent": {"$ref": "#/components/schemas/Pet"},
                            "tag": {"type": "string", "nullable": True},
                            "home": {"type": "object", "properties": {"city": {"type": "string"}}},
                        },
                    },
                ]
            },
            "Named": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
        }
    },
}  # fmt: skip


def test_an_openapi_description_comes_to_operations() -> None:
    found = server({"GET /**": {"tier": "low"}, "POST /more": {"arguments": {"properties": {}}}}, openapi=OPENAPI)
    assert {name: tool.state for name, tool in found.tools.items()} == {
        "GET /pets/{petId}": PinState.APPROVED,
        "PUT /pets/{petId}": PinState.APPROVED,
        "POST /upload": PinState.APPROVED,
        "POST /more": PinState.APPROVED,
        "GET /odd/{a}.json": PinState.PENDING,  # it cannot be matched, so a person is told of it
    }
    get = found.tools["GET /pets/{petId}"].definition
    assert get["title"] == "One pet"
    assert set(get["inputSchema"]["properties"]) == {"petId", "verbose", "ids"}
    assert get["inputSchema"]["required"] == ["petId"]
    assert get["_meta"]["dev.remit/http"]["commas"] == ["ids"]
    put = found.tools["PUT /pets/{petId}"].definition["inputSchema"]
    assert set(put["properties"]) == {"petId", "weight", "parent", "tag", "home", "name"}
    assert put["required"] == ["name", "petId", "weight"]
    assert put["properties"]["weight"] == {"type": "number", "exclusiveMinimum": 0}
    assert put["properties"]["tag"]["type"] == ["string", "null"]
    assert found.tools["POST /upload"].definition["_meta"]["dev.remit/http"]["media"] == ["image/png"]


def test_a_changed_description_is_a_changed_definition() -> None:
    before = server({"GET /**": {"tier": "low"}}, openapi=OPENAPI)
    bent = {
        **OPENAPI,
        "paths": {**OPENAPI["paths"], "/upload": {"post": {"description": "other"}}, "/new": {"get": {}}},
    }
    read = spec.server({"server": "api", "kind": "http", "url": "http://h/v1", "openapi": bent})
    known = dataclasses.replace(read, tools=before.tools, set_pin=before.set_pin)
    after = observe(known, list(read.declared or ())).server
    states = {str(name): tool.state for name, tool in after.tools.items()}
    assert (states["POST /upload"], states["GET /new"]) == (PinState.CHANGED, PinState.PENDING)
    assert states["GET /pets/{petId}"] is PinState.APPROVED


@pytest.mark.parametrize(
    ("bend", "says"),
    [
        ({"openapi": "2.0"}, "3.0 or 3.1"),
        ({"paths": {}}, "nothing to call"),
        ({"paths": {"/a": {"get": {"parameters": [{"$ref": "other.yaml#/x"}]}}}}, "one file"),
        ({"paths": {"/a": {"get": {"parameters": [{"$ref": "#/none"}]}}}}, "there is no"),
        ({"paths": {"/a": {"$ref": "#/paths/~1a"}}}, "refers to itself"),
        ({"paths": {"/a/{x}": {"get": {}}, "/a/{y}": {"get": {}}}}, "apart"),
    ],
)
def test_a_description_that_is_none_is_refused(bend: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecInvalid, match=says):
        spec.server({"server": "api", "kind": "http", "url": "http://h", "openapi": {**OPENAPI, **bend}})


def test_a_word_about_what_is_not_described_is_refused() -> None:
    with pytest.raises(SpecInvalid, match="no such operation"):
        server({"GET /petz": {"tier": "low"}}, openapi=OPENAPI)


USER = {"authorize_url": "https://x/authorize?prompt=consent", "token_url": "https://x/token", "client_id": "a"}


def test_an_account_of_a_persons_own_is_read_and_stored_as_it_is_written() -> None:
    more = {"scope": "mail offline_access", "issuer": "https://x", "revoke_url": "https://x/end", "otherwise": "owner"}
    for said in (USER, USER | more):
        read = server({"GET /a": {}}, credential={"secret": "key", "inject": {"oauth_user": said}}).credential
        assert read == OauthUser(secret=SecretName("key"), **said)
        assert from_json(to_json(read)) == read


@pytest.mark.parametrize(
    ("inject", "says"),
    [
        ({"basic": "a:b"}, "colon"),
        ({"query": "a b"}, "without spaces"),
        ({"aws_sigv4": {"access_key_id": "A", "region": "EU", "service": "s3"}}, "lower case"),
        ({"aws_sigv4": {"access_key_id": "A"}}, "missing"),
        ({"oauth_client": {"token_url": "ftp://x", "client_id": "a"}}, "http"),
        ({"oauth_client": {"token_url": "https://x", "client_id": "a", "scope": "a  b"}}, "words"),
        ({"oauth_user": USER | {"authorize_url": "https://x?state=1"}}, "state"),
        ({"oauth_user": USER | {"otherwise": "anybody"}}, "owner"),
        ({"oauth_user": {"token_url": "https://x", "client_id": "a"}}, "missing"),
        ({"bearer": "x"}, "unknown key"),
        ("digest", "an object"),
    ],
)
def test_a_bad_injection_is_refused(inject: object, says: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        server({"GET /a": {}}, credential={"secret": "key", "inject": inject})
    assert any(says in str(each) for each in caught.value.problems)
