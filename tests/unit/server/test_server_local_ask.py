from typing import Any

import pytest

from remit.kernel.errors import Malformed
from remit.server.local_ask import read

ASK: dict[str, Any] = {"agent": "bot", "proof": "a.b.c"}


def test_the_least_that_can_be_asked() -> None:
    ask = read(ASK)
    assert (ask.purpose, ask.servers, ask.digest, ask.argv) == (None, (), None, ())
    assert ask.form("http://r") == {"grant_type": ("client_credentials",), "client_id": ("bot",)}


def test_all_that_can_be_asked_in_the_token_endpoints_words() -> None:
    ask = read(
        ASK | {"purpose": "work", "servers": ["crm", "pay"], "digest": "0f" * 32, "argv": ["sh", "-c", "", "\n€"]}
    )
    assert ask.argv == ("sh", "-c", "", "\n€")
    assert ask.form("http://r") == {
        "grant_type": ("client_credentials",),
        "client_id": ("bot",),
        "scope": ("purpose:work",),
        "resource": ("http://r/mcp/crm", "http://r/mcp/pay"),
    }


@pytest.mark.parametrize(
    "bend",
    [
        {"agent": "Bot"},
        {"agent": None},
        {"purpose": "a b"},
        {"servers": "crm"},
        {"servers": ["crm"] * 17},
        {"servers": ["../x"]},
        {"proof": 1},
        {"proof": "x" * 4097},
        {"digest": "0F" * 32},
        {"digest": "0f" * 31},
        {"argv": ["x" * 4097]},
        {"argv": ["x"] * 257},
        {"argv": [1]},
        {"uid": 0},  # who asks is told by the kernel, never by the asker
        {"pid": 1},
    ],
)
def test_what_is_not_understood_is_refused(bend: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read(ASK | bend)


@pytest.mark.parametrize("value", [None, [], "x", 1, {}, {"agent": "bot"}])
def test_what_is_no_request_is_refused(value: object) -> None:
    with pytest.raises(Malformed):
        read(value)
