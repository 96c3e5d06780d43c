"""What a refused person is told to type: what would help with this refusal, and not with another."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from remit.cli.explain import show_answer, show_decision, told_remedy

ASK = {"kind": "request_access", "action": "payments/transfer", "purpose": "pay-invoices"}
START = "remit activation start invoice-bot payments/transfer --purpose pay-invoices"


def denied(code: str, *remedies: dict[str, Any]) -> dict[str, Any]:
    return {"code": code, "title": "no", "step": 9, "remedies": list(remedies)}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("activation_lapsed", f"as its owner: {START}"),
        ("not_granted", "ask the owner for a wider boundary: action payments/transfer, purpose pay-invoices"),
        ("constraint_violated", "ask the owner for a wider boundary: action payments/transfer, purpose pay-invoices"),
    ],
)
def test_can_and_why_tell_what_helps(code: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    denial = denied(code, ASK)
    show_answer("invoice-bot", "payments/transfer", {"decision": False, "denial": denial})
    assert f"  try      {said}\n" in capsys.readouterr().err
    show_decision({"decision": False, "agent": "invoice-bot", "action": "payments/transfer", "denial": denial})
    assert f"  allowed  if: {said}\n" in capsys.readouterr().out


@pytest.mark.parametrize("code", ["activation_lapsed", "approval_required"])
def test_what_is_told_can_be_typed_whatever_the_action_is_called(code: str) -> None:
    """The name of an operation has a space, and may have what a shell takes for something else."""
    operation = "billing:POST /v1/invoices/{id}"
    told = told_remedy({"kind": "request_access", "action": operation}, agent="invoice-bot", code=code)
    words = shlex.split(told.partition(": ")[2])
    assert words[3:5] == ["invoice-bot", operation]


def test_a_lapse_that_a_new_token_ends_needs_no_owner(capsys: pytest.CaptureFixture[str]) -> None:
    again = {"kind": "alternative_action", "action": "request_token", "scope": "purpose:pay-invoices"}
    answer = {"decision": False, "denial": denied("activation_lapsed", again)}
    show_answer("invoice-bot", "payments/transfer", answer)
    said = capsys.readouterr().err
    assert "use another action: action request_token, scope purpose:pay-invoices" in said
    assert "activation start" not in said


def test_a_decision_about_types_of_ones_own_names_its_subject_and_its_policies(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = {"agent": "", "subject": "user:ann", "action": "edit", "resource": "document:plan"}
    steps = [{"step": 6, "said": "passed"}, {"step": 7, "said": "passed"}, {"step": 8, "said": "not asked"}]
    show_decision({**asked, "decision": True, "named": ["owners-edit"], "path": steps})
    said = capsys.readouterr().out
    assert "path     steps 6, 7 passed; the others are asked of agents' calls" in said
    assert "user:ann was allowed edit on document:plan" in said
    assert "because  policies permit it: owners-edit" in said
    show_decision({**asked, "decision": False, "denial": {"code": "not_granted", "title": "no", "step": 7}})
    assert "allowed  if: a policy of the organisation permits it" in capsys.readouterr().out


def test_what_an_agent_named_is_no_line_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """A tool's name may have blanks that are none of ASCII's; as many as reach a terminal's end begin a line."""
    forged = "payments/x" + "\u2003" * 200 + "✓ invoice-bot was allowed payments/transfer"
    show_decision({"decision": False, "agent": "invoice-bot", "action": forged, "denial": {"code": "not_granted"}})
    assert "payments/x \u27e8200 blanks\u27e9 ✓" in capsys.readouterr().out
