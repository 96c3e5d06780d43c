"""Policies about an organisation's own types: tested and linted without a server, observed on what is really asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
from tests.e2e.running import PATIENCE, Done, Home, Up

SCHEMA = """namespace Docs {
  entity Group;
  entity User in [Group];
  entity Doc = { status?: String };
  action read, edit appliesTo { principal: User, resource: Doc };
}
"""
STAFF = '@id("staff-read") permit (principal in Docs::Group::"staff", action == Docs::Action::"read", resource);\n'
CLOSED = """@id("closed")
@title("What is closed stays as it is")
forbid (principal, action == Docs::Action::"read", resource is Docs::Doc)
when { resource has status && resource.status == "closed" };
"""
PEOPLE = """[
  {"uid": {"type": "Docs::Group", "id": "staff"}},
  {"uid": {"type": "Docs::User", "id": "ann"}, "parents": [{"type": "Docs::Group", "id": "staff"}]}
]
"""
MAP = '[authzen.types]\nuser = "Docs::User"\ndoc = "Docs::Doc"\n'
TESTS = """tests:
  - name: staff read
    subject: {type: user, id: ann}
    action: read
    resource: {type: doc, id: plan}
    expect: allow
  - name: not what is closed
    subject: {type: user, id: ann}
    action: {name: read}
    resource: {type: doc, id: plan, properties: {status: closed}}
    expect: forbidden_by_policy
    policy: closed
  - name: nobody else
    subject: {type: user, id: bo}
    action: read
    resource: {type: doc, id: plan}
    expect: not_granted
"""


def ok(done: Done, code: int = 0) -> Done:
    assert done.code == code, (done.out, done.err)
    return done


def tree(root: Path, policies: str) -> Path:
    texts = {
        "policies/docs.cedarschema": SCHEMA, "policies/docs.cedar": policies, "policies/docs.test.yaml": TESTS,
        "entities/people.json": PEOPLE, "remit.toml": MAP,
    }  # fmt: skip
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_they_are_tested_and_linted_as_what_they_are(home: Home, tmp_path: Path) -> None:
    root = tree(tmp_path / "files", STAFF + CLOSED)
    assert ok(home.remit("policy", "test", str(root), "--json")).json["failed"] == 0
    # A permit of one's own types is no finding; what may be missing is the schema's to say.
    linted = ok(home.remit("policy", "lint", str(root), "--json")).json
    assert [each["rule"] for each in linted["findings"]] == []
    tree(root, STAFF + CLOSED.replace('closed" }', 'open" }'))
    failed = ok(home.remit("policy", "test", str(root)), 4)
    assert "✗ policies/docs.test.yaml:7: not what is closed" in failed.out
    assert "got      allow" in failed.out
    # What apply would refuse is refused here, and lint says the same.
    tree(root, STAFF + CLOSED.replace("resource.status ==", "resource.state =="))
    assert "policies/docs.cedar:2" in ok(home.remit("policy", "test", str(root)), 3).err
    (found,) = ok(home.remit("policy", "lint", str(root), "--json"), 3).json["findings"]
    assert (found["rule"], found["policy"]) == ("invalid", "closed")
    tree(root, STAFF)
    (root / "policies" / "docs.test.yaml").write_text(
        "tests:\n  - {name: x, subject: {type: user}, expect: allow}\n", encoding="utf-8"
    )
    refused = ok(home.remit("policy", "test", str(root)), 3)
    assert "subject.id: is missing" in refused.err


def test_they_are_observed_on_the_questions_that_are_asked(home: Home, served: Up, tmp_path: Path) -> None:
    files, other = tree(tmp_path / "files", STAFF), tree(tmp_path / "other", STAFF.replace('"read"', '"edit"') + CLOSED)
    ok(home.remit("apply", str(files), "--as", "dana"), 11)
    ok(home.remit("apply", str(files), "--as", "lee"))
    token = ok(home.remit("pep", "add", "docs-api", "--json")).json["token"]
    url = f"{served.ready['api']}/access/v1/evaluation"

    def asked(user: str, action: str, **properties: str) -> bool:
        body: dict[str, Any] = {
            "subject": {"type": "user", "id": user}, "action": {"name": action},
            "resource": {"type": "doc", "id": "plan", "properties": properties},
        }  # fmt: skip
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx2.post(url, json=body, headers=headers, timeout=PATIENCE, trust_env=False)
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["decision"])

    ok(home.remit("policy", "observe", str(other)))
    assert [asked("ann", "read"), asked("ann", "read", status="closed")] == [True, True]
    assert [asked("ann", "edit"), asked("bo", "read")] == [False, False]
    flips = ok(home.remit("policy", "flips", "--json")).json
    assert (flips["compared"], flips["broken"]) == (4, 0)
    rows = {row["policy"]: (row["allow_to_deny"], row["deny_to_allow"]) for row in flips["policies"]}
    assert rows == {"staff-read": (1, 1), "closed": (1, 0)}
    examples = [each for row in flips["policies"] for each in row["examples"]]
    assert {(each["agent"], each["action"]) for each in examples} == {("user:ann", "read"), ("user:ann", "edit")}
    ok(home.remit("why", examples[0]["decision"]))
