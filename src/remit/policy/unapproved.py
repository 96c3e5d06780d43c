"""Refusals that a person could turn, with what is known of that."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from remit.policy import approved
from remit.policy.denial import ask
from remit.policy.model import Approvers, Call, Code, Denial, Remedy

_POLL: Final = 5  # seconds between two looks whether a person has answered


def unapproved(denial: Denial, state: str, approvers: Approvers) -> Denial:
    """`denial`, where a person could let the call pass, with what is known of that.

    Args:
        denial: What is refused without a person.
        state: As `approved.Found` says it: none, pending, stale, expired, used, denied.
        approvers: Who may approve.
    """
    if state == approved.DENIED:
        return approval_denied(step=denial.step, approvers=approvers)
    if state == approved.PENDING:
        wait = Remedy(kind="wait", fields={"retry_after": _POLL})
        return replace(
            denial, state=state, approvers=approvers, retryable=True, retry_after=_POLL,
            remedies=(wait, *denial.remedies),
        )  # fmt: skip
    return replace(denial, state=state, approvers=approvers)


def approval_denied(*, step: int, approvers: Approvers) -> Denial:
    """A person said no to this very call."""
    title = "A person looked at this call and said no"
    return Denial(
        code=Code.APPROVAL_DENIED, step=step, title=title, remedies=(Remedy(kind="stop"),), approvers=approvers
    )


def approval_lost(call: Call) -> Denial:
    """The approval was used, or taken back, while the call was being decided."""
    title = "The approval was used for another call, or taken back"
    return Denial(code=Code.APPROVAL_REQUIRED, step=11, title=title, remedies=(ask(call),), state=approved.USED)
