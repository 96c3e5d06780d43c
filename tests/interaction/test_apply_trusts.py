"""Trusts among the files that `apply` reads."""

from __future__ import annotations

from typing import Any

import pytest
from tests.interaction.apply_world import DANA, Rig, Tree
from tests.interaction.desk import Desk
from tests.unit.attestation.issuer import BASE

from remit.kernel.errors import ConfigInvalid, Conflict

GITHUB = {"trust": "github", "preset": "github_actions", "audience": BASE}
DOMAIN = {"trust": "prod.example", "preset": "spiffe", "jwks_url": "https://spire.example/bundle"}


def document(spec: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "trust", "spec": spec, "file": "trusts/all.yaml", "line": 1}


def rows(rig: Rig, tree: Tree, *trusts: dict[str, Any], prune: bool = False) -> dict[str, dict[str, Any]]:
    documents = [*tree.documents(), *map(document, trusts)]
    found = rig.applier.apply(documents, by=DANA, dry_run=True, prune=prune)
    assert rig.applier.apply(documents, by=DANA, prune=prune) == found
    return {f"{row['kind']}/{row['name']}": row for row in found}


def test_trusts_are_created_changed_and_left_alone(rig: Rig, tree: Tree) -> None:
    found = rows(rig, tree, GITHUB, DOMAIN)
    assert (found["trust/github"]["change"], found["trust/prod.example"]["change"]) == ("create", "create")
    assert rows(rig, tree, GITHUB, DOMAIN)["trust/github"]["change"] == "unchanged"
    assert rows(rig, tree, GITHUB | {"max_age": "5m"})["trust/github"]["change"] == "update"
    assert [entry["change"] for entry in rig.entries("trust")] == ["create", "create", "update"]
    # Whoever declared one takes it back; a file that is gone does not.
    assert not [each for each in rows(rig, tree, prune=True) if each.startswith("trust/")]
    assert rows(rig, tree, GITHUB | {"max_age": "5m"})["trust/github"]["change"] == "unchanged"


def test_an_agent_whose_issuer_nobody_trusts_is_told_so(rig: Rig, tree: Tree) -> None:
    tree.agent["attest"].append(
        {"github_actions": {"trust": "github", "repository_id": "74", "ref": "refs/heads/main"}}
    )
    assert "not trusted yet: github" in rows(rig, tree)["agent/invoice-bot"]["note"]
    assert "note" not in rows(rig, tree, GITHUB)["agent/invoice-bot"]


def test_what_is_refused_names_its_file(rig: Rig, tree: Tree) -> None:
    with pytest.raises(ConfigInvalid, match=r"trusts/all.yaml:1: audience: that is what GitHub's tokens are for"):
        rows(rig, tree, GITHUB | {"audience": "https://github.com/octo-org"})
    with pytest.raises(Conflict, match="the trust github is of that issuer already"):
        rows(rig, tree, GITHUB, GITHUB | {"trust": "again"})


def test_owners_declare_no_issuers(desk: Desk) -> None:
    status, _ = desk.apply(desk.token("dana", "owner"), [document(GITHUB)])
    assert status == 403
    assert desk.apply(desk.token("sam", "operator"), [document(GITHUB)])[0] == 200
