"""What a document says of a server that is a command."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.catalog import spec
from remit.catalog.command import secretish
from remit.catalog.injection import Variable
from remit.catalog.sql import body
from remit.kernel.names import SecretName
from remit.people.document import SpecInvalid

PLAIN: dict[str, Any] = {"server": "files", "kind": "mcp", "command": ["mcp-files", "/srv"]}


def test_a_command_is_read_and_stored() -> None:
    credential = {"secret": "files-key", "inject": {"env": "API_KEY"}}
    found = spec.server(PLAIN | {"env": {"MODE": "x"}, "credential": credential})
    assert (found.command, found.env, found.url) == (("mcp-files", "/srv"), (("MODE", "x"),), "")
    assert found.credential == Variable(secret=SecretName("files-key"), env="API_KEY", format="{}")
    assert found.host == "command mcp-files"
    stored = json.loads(body(found))
    assert (stored["command"], stored["env"]) == (["mcp-files", "/srv"], [["MODE", "x"]])


def test_the_digest_of_a_server_with_a_url_is_what_it_was() -> None:
    credential = {"secret": "k", "inject": {"header": "X-Key"}}
    found = spec.server({"server": "s", "url": "https://s.test/mcp", "credential": credential})
    assert set(json.loads(body(found))["credential"]) == {"secret", "header", "format"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "https://s.test/mcp"}, "url"),
        ({"command": []}, "command"),
        ({"command": "mcp-files /srv"}, "command"),
        ({"command": ["./mcp-files"]}, "command"),
        ({"command": ["mcp-files", "a\0b"]}, "command"),
        ({"command": ["mcp-files", 1]}, "command"),
        ({"env": {"GITHUB_TOKEN": "x"}}, "env"),
        ({"env": {"HOME": "/root"}}, "env"),
        ({"env": {"LD_PRELOAD": "/x.so"}}, "env"),
        ({"env": {"REMIT_TOKEN": "x"}}, "env"),
        ({"env": {"A B": "x"}}, "env"),
        ({"env": {"A": 1}}, "env"),
        ({"credential": {"secret": "k", "inject": {"header": "X-Key"}}}, "credential.inject"),
        ({"credential": {"secret": "k"}}, "credential.inject"),
        ({"credential": {"secret": "k", "inject": {"env": "PATH=x"}}}, "credential.inject.env"),
        ({"credential": {"secret": "k", "inject": {"env": "K", "header": "X"}}}, "credential.inject.header"),
    ],
)
def test_what_is_no_command_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecInvalid) as refused:
        spec.server(PLAIN | change)
    assert field in {problem.field for problem in refused.value.problems}


@pytest.mark.parametrize("change", [{"env": {"A": "x"}}, {"credential": {"secret": "k", "inject": {"env": "K"}}}])
def test_only_a_command_has_an_environment(change: dict[str, Any]) -> None:
    with pytest.raises(SpecInvalid):
        spec.server({"server": "s", "url": "https://s.test/mcp"} | change)


@pytest.mark.parametrize(
    "name", ["GITHUB_TOKEN", "apiKey", "api-key", "X-Api-Key", "password", "DB_PASSWD", "authorization", "clientSecret"]
)
def test_these_are_secrets(name: str) -> None:
    assert secretish(name)


@pytest.mark.parametrize("name", ["MODE", "TOKEN_FILE", "KEYBOARD", "secretary", "MAX_TOKENS", "path"])
def test_these_are_none(name: str) -> None:
    assert not secretish(name)


@given(st.text(max_size=30))
def test_any_name_has_an_answer(name: str) -> None:
    assert secretish(name) in {True, False}
