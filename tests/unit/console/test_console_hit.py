"""What a freeze would hit: the agents, and the calls that run, of each kind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from remit.catalog.injection import Injection
from remit.console.hit import hits, running
from remit.kernel.names import SecretName
from remit.policy.view import View

if TYPE_CHECKING:
    from tests.unit.policy.conftest import Build

from tests.unit.policy.conftest import build  # noqa: F401 - the fixture

CALLS: list[dict[str, Any]] = [
    {"agent": "invoice-bot", "action": "payments/transfer", "calls": 3},
    {"agent": "other-bot", "action": "payments:resources/read", "calls": 2},
    {"agent": "other-bot", "action": "crm/list", "calls": 1},
]


@pytest.mark.parametrize(
    ("kind", "name", "agents", "calls"),
    [
        ("all", "*", 1, 6),
        ("agent", "invoice-bot", 1, 3),
        ("agent", "other-bot", 0, 3),
        ("owner", "dana", 1, 3),
        ("owner", "lee", 0, 0),
        ("server", "payments", 1, 5),
        ("server", "pay", 0, 0),
        ("tool", "payments/transfer", 1, 3),
        ("tool", "payments/transfer2", 0, 0),
        ("credential", "payments-key", 1, 5),
        ("credential", "another", 0, 0),
        ("instance", "x" * 43, 0, 0),
    ],
)
def test_each_kind_hits_what_it_covers(build: Build, kind: str, name: str, agents: int, calls: int) -> None:  # noqa: F811
    given = Injection(secret=SecretName("payments-key"), header="authorization", format="Bearer {}")
    view: View = build.view(servers=[replace(build.server(), credential=given)])
    assert len(hits(view, kind, name)) == agents
    assert running(CALLS, view, kind, name) == calls
