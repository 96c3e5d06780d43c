from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.access.model import Bound, Rule
from remit.catalog.methods import ASKED_OF_AGENTS, METHODS
from remit.catalog.pin import pin
from remit.enforcement.entries import may_fit
from remit.enforcement.framing import arguments_of, host_of
from remit.enforcement.offers import declared, offered
from remit.kernel.names import ActionName
from remit.policy.arguments import compiled, violations
from remit.policy.constraints import holds

TEXT = st.text("ab/:{}", max_size=5)
GRANTED = st.frozensets(st.sampled_from(sorted(METHODS)))
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=3), st.just({}), st.lists(st.none(), max_size=2)
)
CAPABILITIES = st.dictionaries(
    st.sampled_from(["tools", "prompts", "resources", "logging", "completions", "tasks", "extensions", "x",
                     "sampling", "elicitation", "roots"]),
    VALUES | st.dictionaries(st.sampled_from(["listChanged", "subscribe", "form", "url", "x"]), VALUES),
)  # fmt: skip


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://login.example/a", "login.example"),
        ("https://LOGIN.example:8443/a?b#c", "login.example"),
        ("http://login.example/a", ""),
        ("https://login.example@evil.example/", ""),
        ("https://login.example\\@evil.example/", ""),
        ("https://login.example\t.evil.example/", ""),
        ("https:// login.example/", ""),
        ("https:login.example", ""),
        ("javascript:alert(1)//login.example", ""),
        ("https://login.ex\u0430mple/", ""),
        ("https://[::1", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_a_host_is_one_that_no_reader_takes_for_another(url: object, host: str) -> None:
    assert host_of(url) == host


@given(st.text() | st.text("htps:/@\\.ab?#[]%", max_size=20).map(lambda rest: "https://" + rest))
def test_a_host_is_the_urls_own(url: str) -> None:
    if found := host_of(url):
        parts = urlsplit(url)
        assert (parts.scheme, parts.hostname, parts.username) == ("https", found, None)
        assert found == found.lower()


def test_a_url_is_told_by_its_host_and_a_form_by_its_mode() -> None:
    assert arguments_of("elicitation/create", {"message": "m", "requestedSchema": {}}) == {"mode": "form"}
    url = {"mode": "url", "url": "https://a.example/x", "message": "m"}
    assert arguments_of("elicitation/create", url) == {
        "mode": "url", "url": "https://a.example/x", "url_host": "a.example",
    }  # fmt: skip


def test_each_method_is_written_as_a_tool_that_nobody_can_change() -> None:
    for name, tool in METHODS.items():
        assert (tool.name, tool.pin) == (name, pin(tool.definition))
        compiled(tool.definition["inputSchema"])
    assert METHODS.keys() >= ASKED_OF_AGENTS


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("resources/read", {"uri": "a://b", "_meta": {}}),
        ("prompts/get", {"name": "p", "arguments": {"a": "b"}}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "a", "value": "b"}}),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": "u"}, "argument": {"name": "a", "value": "b"},
                                 "context": {"arguments": {"c": "d"}}}),
        ("subscriptions/listen", {"notifications": {"toolsListChanged": True, "resourceSubscriptions": ["a://b"]}}),
        ("logging/setLevel", {"level": "info"}),
        ("tasks/get", {"taskId": "t"}),
        ("sampling/createMessage", {"maxTokens": 5, "messages": [], "includeContext": "none"}),
        ("elicitation/create", {"mode": "url", "url": "https://a.example", "message": "m"}),
        ("roots/list", {}),
        ("resources/list", {"cursor": None}),
    ],
)  # fmt: skip
def test_what_the_protocol_says_fits_what_may_be_bounded(method: str, params: dict[str, Any]) -> None:
    arguments = arguments_of(method, params)
    assert violations(arguments, compiled(METHODS[method].definition["inputSchema"])) == ()


@given(
    st.lists(st.tuples(st.none() | TEXT, st.none() | st.lists(TEXT, min_size=1, max_size=2)), max_size=2), TEXT, TEXT
)
def test_no_template_is_hidden_of_which_a_resource_may_be_read(bounds: list[Any], start: str, rest: str) -> None:
    when = tuple(
        Bound(argument="uri", prefix=prefix, in_=None if among is None else tuple(among)) for prefix, among in bounds
    )
    rule = Rule(action=ActionName("s:resources/read"), when=when)
    literal = start.replace("{", "").replace("}", "")
    if all(holds(bound, literal + rest) for bound in when):
        assert may_fit(rule, literal + "{id}/x")


def test_a_template_outside_the_bounds_is_hidden() -> None:
    rule = Rule(action=ActionName("s:resources/read"), when=(Bound(argument="uri", prefix="a://public/"),))
    assert may_fit(rule, "a://public/{id}")
    assert may_fit(rule, "a://{any}")
    assert not may_fit(rule, "a://secret/{id}")
    exact = Rule(action=ActionName("s:resources/read"), when=(Bound(argument="uri", in_=("a://x/1",)),))
    assert may_fit(exact, "a://x/{id}")
    assert not may_fit(exact, "a://y/{id}")


@given(CAPABILITIES, GRANTED, st.booleans())
def test_nothing_is_offered_that_is_not_granted(
    capabilities: dict[str, Any],
    granted: frozenset[str],
    modern: bool,  # noqa: FBT001 - drawn
) -> None:
    raw = json.dumps({"capabilities": capabilities}).encode()
    found = json.loads(offered(raw, granted, modern=modern))["capabilities"]
    assert found.keys() <= {"tools", "resources", "prompts", "completions", "logging", "tasks", "extensions"}
    assert "prompts" not in found or {"prompts/list", "prompts/get"} & granted
    assert "logging" not in found or "logging/setLevel" in granted
    assert "completions" not in found or "completion/complete" in granted
    assert "subscribe" not in found["resources"] or {"resources/subscribe", "subscriptions/listen"} & granted


@given(CAPABILITIES, GRANTED, st.booleans())
def test_a_server_is_told_of_what_is_granted_alone(
    capabilities: dict[str, Any],
    granted: frozenset[str],
    modern: bool,  # noqa: FBT001 - drawn
) -> None:
    found = declared(capabilities, granted, modern=modern)
    asked = {"sampling": "sampling/createMessage", "elicitation": "elicitation/create", "roots": "roots/list"}
    assert found.keys() <= {name for name, method in asked.items() if method in granted} | {"extensions"}
    assert all("x" not in members for members in found.values())
