"""`remit approval` and what `remit why` says of approvals."""

from __future__ import annotations

import pytest

from remit.cli.approval import _shown
from remit.cli.explain import show_decision, told_remedy


def test_a_remedy_says_what_a_person_types() -> None:
    remedy = {"kind": "request_access", "action": "payments/transfer", "purpose": "pay-invoices"}
    said = told_remedy(remedy, agent="invoice-bot", code="approval_required")
    assert "remit approval ask invoice-bot payments/transfer" in said


def test_an_allow_names_the_approval_that_it_used(capsys: pytest.CaptureFixture[str]) -> None:
    found = {
        "decision": True, "agent": "bot", "action": "s/t", "boundary": "b", "boundary_version": 1, "time": "now",
        "header": {"approval": "apr_1"}, "outcome": None,
    }  # fmt: skip
    show_decision(found)
    assert "apr_1" in capsys.readouterr().out


def test_what_an_agent_writes_looks_like_nothing_else_that_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A reason with a line of its own would show other arguments than those that run."""
    why = 'invoice 17\narguments   {"amount":1.00}\r\u2028yes         lee'
    _shown({"request": "arq_1", "state": "approved", "arguments": '{"amount":400.00}', "why": why}, json=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["request", "state", "arguments", "why"]
    assert "400.00" in lines[2]
