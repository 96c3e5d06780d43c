"""What an entry says of a decision: the public fields, and the payload that is sealed (pure).

The public header never holds an argument's value: amounts and addresses can be guessed, so
even their hash is keyed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from importlib.metadata import version
from typing import Any, Final

import msgspec

from remit.kernel.canonical import encode
from remit.policy import evaluate
from remit.policy.circumstances import told
from remit.policy.denial import violation_body
from remit.policy.model import Answer, Call, Code, Denial, Proposal
from remit.policy.unread import completed
from remit.policy.view import View

# Which of the two answered does not show: where both may, they agree, or Cedar alone is asked.
ENGINE: Final = f"cedarpy {version('cedarpy')}, evaluator {evaluate.VERSION}"
_MAX_ACTION = 320  # a tool that does not exist may be called anything


def decision_fields(
    call: Call, proposal: Proposal, *, view: View, mac: Callable[[bytes], str] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a decision's entry, and its payload; both canonical JSON.

    Args:
        call: What was asked.
        proposal: The answer, and what was read for it.
        view: What it was decided on.
        mac: The recorder's keyed hash, for the arguments.
    """
    arguments = None if call.arguments is None else encode(call.arguments)
    fields = answer_fields(call, proposal.answer, view)
    if arguments is not None and mac is not None:
        fields["arguments"] = mac(arguments)
    return fields, _payload(call, proposal, arguments, view)


def answer_fields(call: Call, answer: Answer, view: View) -> dict[str, Any]:
    """What the public header says of a call and the answer to it, without the arguments' hash."""
    caller, denial = call.caller, answer.denial or answer.would_deny
    fields: dict[str, Any] = {
        "agent": caller.agent,
        "instance": caller.instance,
        "run": caller.run,
        "purpose": caller.purpose,
        "server": call.server,
        "action": call.action[:_MAX_ACTION],
        "decision": "would_deny" if answer.would_deny else "allow" if denial is None else "deny",
        "forwarded": answer.denial is None,
        "policies": view.organisation.digest,
    }
    if caller.txn:
        fields["txn"] = caller.txn
    if caller.links:
        fields |= {"delegation": caller.delegation, "acts_for": [link.agent for link in caller.links]}
    # By an enforcement point, and for whom it says.
    asked = {"pep": caller.pep, "pep_instance": caller.pep_instance, "subject": call.subject}
    fields |= {name: said for name, said in asked.items() if said}
    if caller.cooperative:
        fields["cooperative"] = True
    if denial is not None:
        fields |= {"code": denial.code.value, "step": denial.step}
        if denial.policy is not None:
            fields["policy"] = denial.policy
    if answer.boundary is not None:
        fields |= {"boundary": answer.boundary, "boundary_version": answer.boundary_version}
    if answer.opening is not None:
        fields["break_glass"] = answer.opening
    if answer.approval is not None:
        fields["approval"] = answer.approval
    return fields


def engine(facts: Mapping[str, Any]) -> str:
    """What decided; where a time window was looked at, also by which rules of time zones."""
    return f"{ENGINE}, zones {facts['zones']}" if "zones" in facts else ENGINE


def _payload(call: Call, proposal: Proposal, arguments: bytes | None, view: View) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "engine": engine(proposal.facts),
        "epoch": view.epoch,
        "credential": call.caller.credential,
        "token": call.caller.token,
        **answer_details(proposal.answer, proposal.facts),
    }
    if proposal.read is not None:
        read = completed(call, proposal.read, view)
        payload |= told(call, read, proposal.spent)
    if len(call.action) > _MAX_ACTION:
        payload["action"] = call.action
    if arguments is not None:
        # As text: canonical JSON has no decimals, and a replay needs the digits as they came. Whole, because what was
        # done in an emergency is looked at afterwards.
        denial = proposal.answer.denial or proposal.answer.would_deny
        refused = denial is not None and denial.code is Code.INVALID_ARGUMENTS
        text = encode(_as_written(call.arguments)) if refused else arguments
        payload["arguments"] = text.decode("utf-8")
    return payload


def _as_written(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """`value` with an exponent where a number without a fraction had one: 1E+0 is refused, and 1 is not."""
    if isinstance(value, dict):
        return {name: _as_written(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_as_written(member) for member in value]
    exact = isinstance(value, Decimal) and value.as_tuple().exponent == 0
    return msgspec.Raw(f"{value}E+0".encode()) if exact else value


def answer_details(answer: Answer, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the sealed payload says of the answer."""
    said: dict[str, Any] = {"facts": dict(facts), "named": list(answer.policies)}
    if (denial := answer.denial or answer.would_deny) is not None:
        said["denial"] = denial_payload(denial)
    return said


def denial_payload(denial: Denial) -> dict[str, Any]:
    """What of a denial is sealed: all that may name a value."""
    return {
        "title": denial.title,
        "cause": denial.cause,
        "state": denial.state,
        "retry_after": denial.retry_after,
        "violations": [violation_body(violation) for violation in denial.violations],
        "remedies": [{"kind": remedy.kind, **remedy.fields} for remedy in denial.remedies],
    }
