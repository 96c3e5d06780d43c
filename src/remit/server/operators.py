"""Who may do what with Remit itself: the Cedar policies of `operators.cedar`, asked at every call."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files

import cedarpy

from remit.kernel.clock import Instant
from remit.kernel.errors import Forbidden

ADMIN = "admin"  # the person of the admin token; no personal token may carry this name


class Role(StrEnum):
    """What a personal token lets its person do (`operators.cedar`)."""

    VIEWER = "viewer"
    OWNER = "owner"
    REVIEWER = "reviewer"
    OPERATOR = "operator"
    SECURITY = "security"
    AUDITOR = "auditor"
    ADMIN = "admin"  # the admin token only


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who calls the API. `person` acts; `behind` is whose token it was, if that is someone else (`--dev` only)."""

    person: str
    roles: frozenset[str]
    behind: str | None = None
    issued: Instant | None = None  # when the personal token was made; None for the admin token, and for who acts by it
    by: str = field(default="", repr=False, compare=False)  # hash of the token that says so; empty: none does


class Authority:
    """Answers whether an operator may do an action. Deny by default, and deny on any doubt."""

    def __init__(self, policies: str, schema: str) -> None:
        self._policies = cedarpy.PolicySet.from_str(policies)
        self._schema = cedarpy.Schema.from_str(schema)

    @classmethod
    def shipped(cls) -> Authority:
        """The policies that ship with Remit."""
        here = files("remit.server")
        return cls(
            (here / "operators.cedar").read_text(encoding="utf-8"),
            (here / "operators.cedarschema").read_text(encoding="utf-8"),
        )

    def allows(self, operator: Operator, action: str, *, owners: Collection[str] = ()) -> bool:
        """Whether `operator` may do `action` on something that `owners` answer for."""
        principal = {"type": "Remit::Operator", "id": operator.person}
        resource = {"type": "Remit::Subject", "id": "this"}
        entities = [
            {"uid": principal, "attrs": {"name": operator.person, "roles": sorted(operator.roles)}, "parents": []},
            {"uid": resource, "attrs": {"owners": sorted(owners)}, "parents": []},
        ]
        request = {
            "principal": principal,
            "action": {"type": "Remit::Action", "id": action},
            "resource": resource,
            "context": {},
        }
        result = cedarpy.is_authorized(request, self._policies, entities, self._schema)
        # `bool(NoDecision)` is True, and a policy that errors is skipped: both must deny.
        return result.decision is cedarpy.Decision.Allow and not result.diagnostics.errors

    def require(self, operator: Operator, action: str, *, owners: Collection[str] = ()) -> None:
        """Raise Forbidden unless `operator` may do `action`."""
        if self.allows(operator, action, owners=owners):
            return
        roles = ", ".join(sorted(operator.roles)) or "none"
        raise Forbidden(
            f"{operator.person} may not {_WORDS.get(action, action)}",
            detail=f"action {action}, roles {roles}",
            try_=_ADVICE.get(action, f"use a token of another role than {roles}"),
        )


_WORDS = {
    "approveBoundary": "approve this boundary: only its agent's owner or backup may",
    "approveServer": "approve a server's tools",
    "refreshServer": "refresh a server",
    "setSecret": "set a secret",
    "listSecrets": "list secrets",
    "removeSecret": "remove a secret",
    "rotateSecret": "rotate this secret",
    "exposeSecret": "say that a secret is known elsewhere",
    "connectSecret": "lend an account: use a person's own token",
    "disconnectSecret": "take back an account that somebody else lent",
    "freeze": "freeze this",
    "unfreeze": "unfreeze this",
    "unfreezeOthers": "end a freeze that no owner of it set",
    "resumeOthers": "resume an agent that no owner of it suspended",
    "freezeAll": "freeze everything",
    "unfreezeAll": "unfreeze everything",
    "setAgentState": "suspend, resume or retire this agent",
    "readDecisions": "read these decisions",
    "readAudit": "read the log",
    "issueToken": "issue operator tokens",
    "listTokens": "list operator tokens",
    "revokeToken": "revoke this token",
    "takeBackWord": "take this back: only who said it may",
    "startActivation": "start this: only its agent's owner or backup may",
    "suspendActivation": "suspend this entitlement",
    "setRisk": "set an agent's risk",
    "endSignal": "end a signal that stops an agent",
    "sweep": "start a sweep",
    "seeNotices": "mark these notices as seen",
    "seeAccess": "see who can do what",
    "answerQuestion": "answer this question: only the agent's owner, a backup, or whom one of them asked may",
    "openBreakglass": "open or close this: only the agent's owner, a backup or security may",
    "askApproval": "ask for this agent: only its owner, a backup or an operator may",
    "decideApproval": "say yes or no to this: only whom its boundary names, or who answers for the agent, may",
    "cancelApproval": "take this back",
    "reviewBreakglass": "review this: only the agent's owner, a backup, a reviewer or security may",
    "answerDoubt": "say whether a record of use is believed",
    "readQuestions": "read questions",
    "acknowledge": "acknowledge the boundaries in force",
    "importUsage": "import usage",
    "registerSource": "register a source of usage",
    "unregisterSource": "take a source of usage off",
    "manageKeys": "rotate or retire signing keys",
    "eraseAgent": "erase what was recorded about an agent",
    "consent": "consent for this agent: only its owner or backup may",
    "withdrawConsent": "withdraw this consent: only who gave it, or who answers for its agent, may",
    "addPep": "register an enforcement point",
    "listPeps": "list enforcement points",
    "removePep": "remove an enforcement point",
    "apply": "apply this",
    "plan": "plan changes",
    "ask": "ask for this agent",
}
_ADVICE = {
    "approveBoundary": "ask the owner; an owner's token is made with: remit operator token PERSON --role owner",
    "issueToken": "use the admin token",
    "connectSecret": "remit operator token PERSON",
    "disconnectSecret": "ask security or an operator",
    "answerDoubt": "ask security or an operator",
    "answerQuestion": "ask the owner; an owner's token is made with: remit operator token PERSON --role owner",
    "takeBackWord": "ask who said it, or use the admin token; it ends by itself an hour after it was said",
    "acknowledge": "a named manager does, with a token of role owner or reviewer",
    "unfreezeOthers": "ask security or an operator",
    "endSignal": "ask security or an operator",
    "resumeOthers": "ask security or an operator",
}
