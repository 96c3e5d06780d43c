"""`remit approval` and what `remit why` says of approvals."""

from __future__ import annotations

import pytest

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
