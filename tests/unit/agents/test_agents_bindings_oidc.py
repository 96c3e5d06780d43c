from __future__ import annotations

from typing import Any

import pytest
from tests.unit.attestation.issuer import ASKED, NAMES

from remit.agents import spec
from remit.agents.binding import READERS, Binding
from remit.agents.bindings.preset import preset
from remit.attestation.conditions import holds
from remit.kernel.errors import RemitError
from remit.people.document import SpecInvalid

BRANCH = "whoever can push a branch of the repository could be this agent; name one, as ref: refs/heads/main"
OTHER_ACCOUNT = "arn: is not of the account 123456789012: an ARN carries the account of its principal"


def problems(method: str, said: Any) -> str:
    with pytest.raises(SpecInvalid) as refused:
        READERS[method](said)
    return "\n".join(str(each) for each in refused.value.problems)


@pytest.mark.parametrize("platform", ASKED)
def test_what_each_platform_asks_for(platform: str) -> None:
    found = Binding(platform, READERS[platform]({"trust": NAMES[platform], **ASKED[platform]}))
    assert found.said["trust"] == NAMES[platform]
    assert found.credential.startswith(f"{platform}:")


@pytest.mark.parametrize(
    ("method", "said", "reason"),
    [
        # no condition at all
        ("github_actions", {}, "every token of the issuer would be this agent"),
        ("oidc", {"claims": {}}, "every token of the issuer would be this agent"),
        ("spiffe", {}, "id: is missing"),
        # only a name
        ("github_actions", {"repository": "octo-org/octo-repo"}, "repository_id cannot"),
        ("gcp", {"email": "bot@a.iam.gserviceaccount.com"}, "unique id, the sub"),
        ("oidc", {"claims": {"email": "bot@example.test", "team": {"name": "pay"}}}, "only names"),
        ("oidc", {"claims": {"email_verified": True, "grid": True}}, "only names"),
        # a wildcard over sub
        ("github_actions", {"repository_id": "74", "sub": "repo:octo-org/*"}, "sub: a wildcard"),
        ("oidc", {"claims": {"sub": "workload-*"}}, "claims.sub: a wildcard"),
        ("spiffe", {"trust": "prod.example", "id": "spiffe://prod.example/*"}, "wildcard"),
        ("kubernetes", {"namespace": "*", "service_account_uid": "u"}, "namespace: a wildcard"),
        ("github_actions", {"repository_id": "74", "ref": "*"}, "ref: a pattern begins with"),
        ("github_actions", {"repository_id": "74", "ref": "**"}, "ref: a pattern begins with"),
        ("github_actions", {"repository_id": "74", "ref": "a*b*c*"}, "at most two"),
        # pull requests
        ("github_actions", {"repository_id": "74", "sub": "repo:o/r:pull_request"}, "chooses what it runs"),
        ("github_actions", {"repository_id": "74", "event_name": "pull_request_target"}, "chooses what it runs"),
        ("github_actions", {"repository_id": "74", "ref": "refs/pull/1/merge"}, "chooses what it runs"),
        ("github_actions", {"repository_id": "74", "ref": "refs/pull/*/merge"}, "chooses what it runs"),
        # whoever can push a branch
        ("github_actions", {"repository_id": "74"}, BRANCH),
        ("github_actions", {"repository_id": "74", "sub": "repo:o/r:ref:refs/heads/main", "actor_id": "12"}, BRANCH),
        ("github_actions", {"repository_id": "74", "event_name": "push", "repository_owner_id": "65"}, BRANCH),
        ("github_actions", {"repository_id": "74", "ref": "refs/heads/*"}, BRANCH),
        ("github_actions", {"repository_id": "74", "ref": "refs/heads/**"}, BRANCH),
        ("github_actions", {"repository_id": "74", "ref": "refs/heads/*/*"}, BRANCH),
        ("github_actions", {"repository_id": "74", "ref": "refs/heads/*-*"}, BRANCH),
        ("github_actions", {"repository_id": "74", "ref": "refs/heads/**e**"}, BRANCH),
        ("github_actions", {"repository_id": "74", "ref": "refs/tags/*"}, BRANCH),
        ("github_actions", {"repository_id": "74", "ref": "refs/*/main"}, BRANCH),
        ("github_actions", {"repository_id": "74", "workflow_ref": "o/r/.github/workflows/a.yml@refs/tags/**"}, BRANCH),
        ("github_actions", {"repository_id": "74", "ref": "refs/**"}, BRANCH),
        ("github_actions", {"repository_id": "74", "ref": "refs/*/**"}, BRANCH),
        ("github_actions", {"repository_id": "74", "workflow_ref": "o/r/.github/workflows/a.yml@refs/heads/*"}, BRANCH),
        ("github_actions", {"repository_id": "74", "workflow_ref": "o/r/.github/workflows/a.yml@**"}, BRANCH),
        ("github_actions", {"repository_id": "74", "job_workflow_ref": "o/**"}, BRANCH),
        # `x@refs/heads/main` is a branch that anybody may push
        ("github_actions", {"repository_id": "74", "workflow_ref": "o/r/.github/workflows/**@refs/heads/main"}, BRANCH),
        ("github_actions", {"repository_id": "74", "workflow_ref": "o/r/**@refs/heads/main"}, BRANCH),
        ("github_actions", {"repository_id": "74", "job_workflow_ref": "o/**/pay.yml@refs/heads/main"}, BRANCH),
        ("github_actions", {"repository_id": "74", "workflow_ref": "o/r/**@refs/heads/release/*"}, BRANCH),
        # everybody has a repository, and branches of it
        ("github_actions", {"repository_id": "74", "job_workflow_ref": "o/*/x/a.yml@refs/heads/main"}, BRANCH),
        ("github_actions", {"repository_id": "74", "job_workflow_ref": "o/r*/x/a.yml@refs/heads/main"}, BRANCH),
        ("github_actions", {"repository_id": "74", "job_workflow_ref": "o*/r/x/a.yml@refs/heads/main"}, BRANCH),
        # of an owner that is called refs
        ("github_actions", {"repository_id": "74", "workflow_ref": "refs/heads/.github/**@refs/heads/main"}, BRANCH),
        ("oidc", {"claims": {"repository_id": "74", "workflow_ref": "o/r/**@refs/heads/main"}}, "a wildcard"),
        # half of what tells a workload apart
        ("kubernetes", {"namespace": "pay"}, "service_account_uid: is missing"),
        ("kubernetes", {"service_account_uid": "u"}, "namespace: is missing"),
        ("kubernetes", {"sub": "system:serviceaccount:pay:bot"}, "its uid cannot be had again"),
        ("azure", {"oid": "o"}, "tid: is missing"),
        ("azure", {"tid": "t", "appid": "a"}, "oid: is missing"),
        ("aws", {"account": "123456789012"}, "arn: is missing"),
        ("aws", {"arn": "arn:aws:iam::123456789012:role/x"}, "account: is missing"),
        # what no token says
        ("aws", {"account": "123456789012", "arn": "arn:aws:iam::210987654321:role/x"}, OTHER_ACCOUNT),
        ("aws", {"account": "123456789012", "arn": "arn:aws:s3:::a-bucket"}, OTHER_ACCOUNT),
        ("aws", {"account": "123456789012", "arn": "role/x"}, OTHER_ACCOUNT),
        # what is the trust's to say, and what is not understood
        ("oidc", {"claims": {"sub": "x", "aud": "y"}}, "aud: is the trust's to say"),
        ("github_actions", {"repository_id": "74", "branch": "main"}, "unknown key"),
        ("github_actions", {"repository_id": 74}, "put it in quotes"),
        ("github_actions", {"repository_id": " 74"}, "spaces"),
        ("spiffe", {"trust": "prod.example", "id": "spiffe://other.example/x"}, "no domain speaks for another"),
        ("spiffe", {"trust": "prod.example", "id": "spiffe://prod.example"}, "with a path"),
        ("spiffe", {"trust": "prod.example", "id": "spiffe://prod.example/a/../b"}, "with a path"),
        ("oidc", {"claims": {"sub": ["a"]}}, "text is expected"),
        ("oidc", {"claims": {"sub": "x", "n": 2**53}}, "not exact"),
        ("oidc", {"claims": {"sub": "x", "n": {}}}, "text is expected"),
        ("oidc", {"claims": {"a": {"b": {"c": {"d": {"e": 1}}}}}}, "too deeply"),
    ],
)  # fmt: skip
def test_what_would_let_in_more_than_its_author_thinks(method: str, said: dict[str, Any], reason: str) -> None:
    assert reason in problems(method, {"trust": "some-issuer", **said})


@pytest.mark.parametrize(
    "said",
    [
        {"ref": "refs/heads/main"}, {"ref": "refs/heads/release/*"}, {"ref": "refs/tags/v*"}, {"environment": "pay"},
        {"ref": "refs/heads/*", "environment": "pay"},
        {"workflow_ref": "o/r/.github/workflows/*.yml@refs/heads/main"},
        {"job_workflow_ref": "o/auto/.github/workflows/pay.yml@refs/tags/v*"},
        {"workflow_ref": "o/r/.github/workflows/pay.yml@refs/heads/release/**"}, {"ref": "refs/heads/release/**"},
    ],
    ids=str,
)  # fmt: skip
def test_one_condition_that_is_not_of_every_branch_is_enough(said: dict[str, str]) -> None:
    assert READERS["github_actions"]({"trust": "github", "repository_id": "74", **said})


def test_a_workflow_by_a_pattern_is_still_at_its_branch() -> None:
    """`x@refs/heads/main` is a legal name of a branch: what stands before the `@` must not reach over it."""
    pattern = "o/r/.github/workflows/*@refs/heads/main"
    asked = READERS["github_actions"]({"trust": "github", "repository_id": "74", "workflow_ref": pattern})["claims"]
    said = {"repository_id": "74", "sub": "repo:o/r", "event_name": "push", "ref": "refs/heads/main"}
    for branch, lets_in in (("main", True), ("x@refs/heads/main", False)):
        workflow = f"o/r/.github/workflows/evil.yml@refs/heads/{branch}"
        assert holds(said | {"workflow_ref": workflow}, asked) is lets_in


def test_a_trust_is_named() -> None:
    assert "trust: is missing" in problems("oidc", {"claims": {"sub": "x"}})
    assert "the name of a trust" in problems("oidc", {"trust": "No Such", "claims": {"sub": "x"}})


def test_patterns_only_where_a_preset_lets_them() -> None:
    said = READERS["github_actions"]({"trust": "github", "repository_id": "74", "ref": "refs/tags/v*"})
    assert [["ref"], "like", "refs/tags/v*"] in said["claims"]
    with_glob = {key for name in ASKED for key, each in preset(name).conditions.items() if each.glob}
    assert with_glob == {"ref", "job_workflow_ref", "workflow_ref"}


def test_pull_requests_are_shut_out_whatever_a_document_asks_for() -> None:
    said = READERS["github_actions"]({"trust": "github", "repository_id": "74", "environment": "pay"})
    assert [each for each in said["claims"] if each[1] == "unlike"]


def test_an_agent_is_attested_in_several_ways_and_none_twice() -> None:
    one = {"github_actions": {"trust": "github", "repository_id": "74", "ref": "refs/heads/main"}}
    two = {"spiffe": {"trust": "prod.example", "id": "spiffe://prod.example/x"}}
    document = {"agent": "bot", "owner": "dana", "purposes": ["pay"], "not_after": "2027-06-30"}
    found = spec.agent({**document, "attest": [one, two]})
    assert [each.method for each in found.bindings] == ["github_actions", "spiffe"]
    with pytest.raises(RemitError, match="twice"):
        spec.agent({**document, "attest": [one, one]})
