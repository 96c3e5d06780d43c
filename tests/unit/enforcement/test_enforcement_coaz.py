"""COAZ-MCP's default mapping, as a question about an agent's call."""

from __future__ import annotations

from typing import Any

import pytest

from remit.enforcement.authzen import Question, question
from remit.enforcement.authzen_coaz import METHODS, spoken, translated
from remit.kernel.errors import Malformed
from remit.policy.schema import METHODS as KNOWN

BASE = "https://remit.test"
SEEN = frozenset({"payments/transfer", "payments/list", "crm/list"})


def asked(method: str, kind: str, name: str, **context: Any) -> Question:
    body = {
        "subject": {"type": "identity", "id": "bot"},
        "action": {"name": method},
        "resource": {"type": kind, "id": name},
        "context": context,
    }
    return question(body)


def meant(method: str, kind: str, name: str, **context: Any) -> str | None:
    found = translated(asked(method, kind, name, **context), seen=SEEN, base=BASE)
    return None if found is None else found.action


@pytest.mark.requirement("authzen:coaz")
@pytest.mark.parametrize(
    ("name", "context", "expected"),
    [
        ("transfer", {}, "payments/transfer"),
        ("payments/transfer", {}, "payments/transfer"),
        ("payments___transfer", {}, "payments/transfer"),
        ("list", {}, None),  # of two servers: not guessed
        ("list", {"mcp_server": "crm"}, "crm/list"),
        ("list", {"mcp_server": f"{BASE}/mcp/crm"}, "crm/list"),
        ("list", {"mcp_server": f"{BASE}/servers/crm/mcp"}, "crm/list"),
        ("list", {"mcp_server": "https://elsewhere.test/mcp/crm"}, None),
        # A tool's own name, whatever it looks like: a server that adds these is given nothing of `crm/list`.
        ("crm___list", {"mcp_server": "crm"}, "crm/crm___list"),
        ("crm/list", {"mcp_server": "crm"}, "crm/crm/list"),
        ("purge", {}, None),  # not seen: as if it did not exist
        ("purge", {"mcp_server": "crm"}, "crm/purge"),  # and the decision says the same of it
    ],
)
def test_a_tool_is_found_by_its_name_and_never_guessed(
    name: str, context: dict[str, Any], expected: str | None
) -> None:
    assert meant("tools/call", "tool", name, **context) == expected


@pytest.mark.requirement("authzen:coaz")
@pytest.mark.parametrize("other", ["evil/payments/transfer", "evil/payments___transfer", "evil/transfer"])
def test_a_tool_that_is_named_like_anothers_makes_the_name_none(other: str) -> None:
    """A server that calls its own tool `payments/transfer` must not be called with what payments is allowed."""
    name = other.partition("/")[2]
    assert translated(asked("tools/call", "tool", name), seen=SEEN, base=BASE) is not None
    assert translated(asked("tools/call", "tool", name), seen=SEEN | {other}, base=BASE) is None


@pytest.mark.requirement("authzen:coaz")
def test_each_mapped_method_is_asked_of_its_own_kind_of_thing_only() -> None:
    for method, kinds in METHODS.items():
        for kind in ("mcp_server", "tool", "resource", "prompt", "task"):
            found = meant(method, kind, "crm" if kind == "mcp_server" else "list", mcp_server="crm")
            expected = "crm/list" if method == "tools/call" else f"crm:{method}"
            assert found == (expected if kind in kinds else None), (method, kind)


@pytest.mark.requirement("authzen:coaz")
def test_what_is_not_mapped_is_not_meant() -> None:
    """A method that a later MCP brings must not pass because nobody thought of it."""
    for method in (
        "ping",
        "notifications/initialized",
        "resources/templates/list",
        "tools/listen",
        "sampling/createMessage",
    ):
        assert meant(method, "mcp_server", "crm") is None
    assert METHODS.keys() <= KNOWN | {"tools/call"}
    assert {"server/discover", "subscriptions/listen", "tasks/update"} <= METHODS.keys()


def test_an_audience_of_another_place_is_no_server() -> None:
    for name in ("https://elsewhere.test/mcp/crm", f"{BASE}/mcp/", "", f"{BASE}/mcp/a/b", "a:b"):
        assert meant("tools/list", "mcp_server", name) is None


def test_arguments_and_purpose_are_read_as_in_the_other_spelling() -> None:
    found = translated(
        asked("tools/call", "tool", "transfer", arguments={"amount": 1}, purpose="pay"), seen=SEEN, base=BASE
    )
    assert found is not None
    assert (found.subject, found.resource) == (("agent", "bot"), ("server", "payments"))
    assert (found.arguments, found.purpose) == ({"amount": 1}, "pay")
    with pytest.raises(Malformed):
        translated(asked("tools/call", "tool", "transfer", arguments=[]), seen=SEEN, base=BASE)


def test_only_these_types_together_are_this_spelling() -> None:
    assert spoken(asked("tools/call", "tool", "x"))
    assert not spoken(asked("GET", "route", "/todos"))
