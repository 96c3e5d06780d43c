import pytest

from remit.kernel.errors import Forbidden
from remit.server.operators import Authority, Operator, Role

ACTIONS = {
    "read", "doctor", "apply", "plan", "ask", "setAgentState", "approveBoundary", "approveServer", "refreshServer",
    "setSecret", "listSecrets", "removeSecret", "rotateSecret", "exposeSecret", "freeze", "unfreeze", "freezeAll",
    "unfreezeAll", "readDecisions", "readAudit", "issueToken", "listTokens", "revokeToken", "unfreezeOthers",
    "resumeOthers", "takeBackWord",
}  # fmt: skip
READS = {"read", "doctor"}
# What each role may do to something that others own: the table that people can read.
MAY = {
    Role.VIEWER: READS,
    Role.OWNER: READS | {"plan"},
    Role.REVIEWER: READS | {"plan", "approveServer", "refreshServer", "ask"},
    Role.OPERATOR: ACTIONS - {"approveBoundary", "issueToken", "listTokens", "revokeToken", "takeBackWord"},
    Role.SECURITY: READS
    | {"freeze", "unfreeze", "freezeAll", "unfreezeAll", "setAgentState", "ask", "readDecisions", "readAudit"}
    | {"revokeToken", "unfreezeOthers", "resumeOthers", "listSecrets", "rotateSecret", "removeSecret", "exposeSecret"},
    Role.AUDITOR: READS | {"readDecisions", "readAudit", "listSecrets", "listTokens"},
    Role.ADMIN: ACTIONS - {"approveBoundary"},
}
OF_OWN = {
    "listSecrets",
    "rotateSecret",
    "exposeSecret",
    "apply",
    "ask",
    "setAgentState",
    "freeze",
    "unfreeze",
    "readDecisions",
    "approveBoundary",
    "revokeToken",
    "takeBackWord",
}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.shipped()


def operator(*roles: Role, person: str = "dana") -> Operator:
    return Operator(person=person, roles=frozenset(roles))


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_do_what_the_table_says_and_nothing_else(authority: Authority, role: Role) -> None:
    may = {action for action in ACTIONS if authority.allows(operator(role), action, owners=["lee"])}
    assert may == MAY[role]


def test_an_owner_may_do_more_with_their_own(authority: Authority) -> None:
    may = {action for action in ACTIONS if authority.allows(operator(Role.OWNER), action, owners=["lee", "dana"])}
    assert may == MAY[Role.OWNER] | OF_OWN


@pytest.mark.parametrize("role", set(Role) - {Role.OWNER})
def test_only_an_owner_approves_a_boundary_even_where_the_names_match(authority: Authority, role: Role) -> None:
    assert not authority.allows(operator(role), "approveBoundary", owners=["dana"])


def test_without_a_role_or_for_an_action_nobody_knows_nothing_is_allowed(authority: Authority) -> None:
    assert not any(authority.allows(operator(), action, owners=["dana"]) for action in ACTIONS)
    assert not authority.allows(operator(Role.ADMIN), "fly")


def test_a_policy_that_errors_denies() -> None:
    broken = Authority(
        "permit (principal, action, resource);\nforbid (principal, action, resource) when { principal.age > 3 };",
        "namespace Remit { entity Operator { name: String, roles: Set<String>, age?: Long };"
        " entity Subject { owners: Set<String> };"
        " action read appliesTo { principal: Operator, resource: Subject }; }",
    )
    assert not broken.allows(operator(Role.ADMIN), "read")


def test_a_refusal_says_what_and_what_next(authority: Authority) -> None:
    with pytest.raises(Forbidden, match="admin may not approve this boundary") as caught:
        authority.require(operator(Role.ADMIN, person="admin"), "approveBoundary", owners=["dana"])
    assert "--role owner" in caught.value.try_
