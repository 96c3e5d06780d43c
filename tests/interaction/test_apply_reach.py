"""Where `apply` and `diff` send a server's credential: a dry run to no new place, an apply only once it is recorded."""

from __future__ import annotations

import dataclasses
from copy import deepcopy
from typing import Any

import pytest
from tests.interaction.apply_world import ADMIN, DANA, Rig, Tree, owner_role

from remit.catalog.model import Server
from remit.kernel.canonical import parse
from remit.kernel.errors import Overloaded
from remit.server.voice import Voice

KEY = {"secret": "payments-key", "inject": {"header": "Authorization", "format": "Bearer {}"}}
OTHER_HEADER = {"secret": "payments-key", "inject": {"header": "X-Stolen", "format": "{}"}}
OTHER_SECRET = {"secret": "crm-key", "inject": {"header": "Authorization", "format": "Bearer {}"}}
ELSEWHERE = "http://attacker.example:8080/mcp"


class Wire:
    """What left: the URL and the secret of each request, and the entries there were by then."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.sent: list[tuple[str, str | None]] = []
        self.entries: list[dict[str, Any]] = []

    def list_tools(self, server: Server) -> list[dict[str, Any]]:
        self.sent.append((server.url, server.credential.secret if server.credential else None))
        self.entries = [parse(entry.header) for entry in self.rig.writer.entries]
        return deepcopy(self.rig.lister.tools["payments"])


@pytest.fixture
def wired(rig: Rig, tree: Tree) -> tuple[Rig, Wire]:
    tree.server["credential"] = KEY
    wire = Wire(rig)
    rig.applier = dataclasses.replace(rig.applier, lister=wire)
    rig.applier.apply(tree.documents(), by=DANA, voice=Voice(approves=owner_role(DANA)))
    wire.sent.clear()
    return rig, wire


@pytest.mark.parametrize(
    "bend",
    [
        {"url": ELSEWHERE},
        {"url": "http://127.0.0.1:9101/other"},
        {"credential": OTHER_HEADER},
        {"credential": OTHER_SECRET},
        {"server": "probe", "url": ELSEWHERE},
        {"server": "probe"},
    ],
)
def test_a_dry_run_sends_no_credential_but_to_a_server_that_is_registered_so(
    wired: tuple[Rig, Wire], tree: Tree, bend: dict[str, Any]
) -> None:
    rig, wire = wired
    tree.server |= {"credential": KEY} | bend
    tree.without = {"boundary"}
    rows = rig.applier.apply(tree.documents(), by=ADMIN, dry_run=True)
    assert wire.sent == []
    row = next(row for row in rows if row["kind"] == "server")
    assert "a dry run sends a credential only to a server that is registered so" in row["note"]


def test_a_dry_run_asks_what_is_registered_so_and_what_takes_no_credential(wired: tuple[Rig, Wire], tree: Tree) -> None:
    rig, wire = wired
    tree.server["credential"] = KEY
    rig.applier.apply(tree.documents(), by=ADMIN, dry_run=True)
    assert wire.sent == [("http://127.0.0.1:9101/mcp", "payments-key")]
    wire.sent.clear()
    tree.server = {"server": "open", "url": "http://127.0.0.1:9102/mcp"}
    tree.without = {"boundary"}
    rig.applier.apply(tree.documents(), by=ADMIN, dry_run=True)
    assert wire.sent == [("http://127.0.0.1:9102/mcp", None)]


def test_a_new_boundary_of_a_server_that_was_not_asked_waits_for_the_catalog(rig: Rig, tree: Tree) -> None:
    tree.server["credential"] = KEY
    rows = {row["kind"]: row for row in rig.applier.apply(tree.documents(), by=ADMIN, dry_run=True)}
    assert rows["boundary"]["state"] == "waiting_for_catalog"
    assert rig.lister.asked == []


@pytest.mark.parametrize(("credential", "secret"), [(OTHER_HEADER, "payments-key"), (None, None)])
def test_an_apply_is_recorded_before_its_requests_leave(
    wired: tuple[Rig, Wire], tree: Tree, credential: dict[str, Any] | None, secret: str | None
) -> None:
    rig, wire = wired
    tree.server |= {"url": ELSEWHERE, "credential": credential}
    if credential is None:
        del tree.server["credential"]
    rig.applier.apply(tree.documents(), by=ADMIN)
    assert wire.sent == [(ELSEWHERE, secret)]
    said = wire.entries[-1]
    assert (said["what"], said["name"], said["change"], said["by"]) == ("asked_server", "payments", "ask", "admin")
    assert (said["host"], said["secret"]) == ("attacker.example:8080", secret)


def test_what_is_registered_so_is_asked_without_another_entry(wired: tuple[Rig, Wire], tree: Tree) -> None:
    rig, wire = wired
    tree.server["credential"] = KEY
    before = len(rig.writer.entries)
    rig.applier.apply(tree.documents(), by=ADMIN)
    assert len(wire.sent) == 1
    assert len(rig.writer.entries) == before


@pytest.mark.parametrize("name", ["payments", "probe"])
def test_a_secret_that_goes_to_another_host_is_an_incident_with_its_name_and_host(
    wired: tuple[Rig, Wire], tree: Tree, name: str
) -> None:
    rig, _ = wired
    tree.server |= {"server": name, "url": ELSEWHERE, "credential": KEY}
    tree.without = {"boundary"}
    rows = rig.applier.apply(tree.documents(), by=ADMIN)
    said = [parse(entry.header) for entry in rig.writer.entries]
    incident = next(entry for entry in said if entry["kind"] == "incident")
    assert incident == {
        "kind": "incident", "what": "secret_to_another_host", "server": name, "secret": "payments-key",
        "host": "attacker.example:8080", "hosts_before": ["127.0.0.1:9101"],
    }  # fmt: skip
    entry = rig.entries("server")[-1]
    assert (entry["secret"], entry["host"]) == ("payments-key", "attacker.example:8080")
    row = next(row for row in rows if row["kind"] == "server")
    assert "the secret payments-key goes to attacker.example:8080, before to 127.0.0.1:9101" in row["note"]


def test_another_path_or_another_secret_is_no_incident(wired: tuple[Rig, Wire], tree: Tree) -> None:
    rig, _ = wired
    tree.server |= {"url": "http://127.0.0.1:9101/other", "credential": KEY}
    rig.applier.apply(tree.documents(), by=ADMIN)
    tree.server |= {"url": ELSEWHERE, "credential": OTHER_SECRET}
    rig.applier.apply(tree.documents(), by=ADMIN)
    assert not [entry for entry in rig.writer.entries if parse(entry.header)["kind"] == "incident"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_remit_that_stops_while_it_asks_plans_and_changes_nothing(rig: Rig, tree: Tree, dry_run: bool) -> None:  # noqa: FBT001 - a parameter of the test
    class Stopping:
        def list_tools(self, server: Server) -> list[dict[str, Any]]:
            raise Overloaded("Remit is stopping", detail=server.server)

    applier = dataclasses.replace(rig.applier, lister=Stopping())
    with pytest.raises(Overloaded):
        applier.apply(tree.documents(), by=ADMIN, dry_run=dry_run)
    said = [parse(entry.header)["what"] for entry in rig.writer.entries]
    assert said == ([] if dry_run else ["asked_server"])
