"""Two servers on one PostgreSQL: no limit is exceeded by asking both, and no crash or new copy gives anything back."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.fault.calls import Agent, Answer
from tests.fault.pair import Pair, pair
from tests.fault.serving import Server
from tests.fault.test_two_servers import until

PAY = {"to": "x", "amount": 2000.0, "currency": "EUR"}
END = {"not_after": "2029-12-31"}
SPEND = {
    "boundary": "invoice-bot-payments", "agent": "invoice-bot", "purpose": "pay-invoices", **END,
    "allow": [
        {
            "action": "payments/transfer", "when": {"amount": {"max": "2000.00"}, "currency": {"in": ["EUR"]}},
            "limits": {"budget": {"argument": "amount", "max": "5000.00", "per": "month"}},
        },
    ],
}  # fmt: skip
NOTE: dict[str, Any] = {
    "action": "crm/update_note",
    "sequence": {"requires_before": [{"action": "crm/get_customer", "same": {"customer": "customer"}}], "per_run": 3},
}
ORDER: dict[str, Any] = {
    "boundary": "support-bot-crm", "agent": "support-bot", "purpose": "answer-customers", **END,
    "allow": [{"action": "crm/list_customers"}, {"action": "crm/get_customer"}, NOTE],
}  # fmt: skip


def apply(server: Server, kind: str, spec: dict[str, Any]) -> None:
    """Apply one document and approve what waits."""
    document = {"kind": kind, "spec": spec, "file": "changed.yaml", "line": 1}
    status, said = server.ask("POST", "/v1/apply", {"documents": [document], "approve": True}, as_="dana")
    assert (status, said.get("waiting")) == (200, []), said


def at_once(*asked: tuple[Agent, str, dict[str, Any]]) -> list[Answer]:
    """Every call at the same moment."""
    start, found = threading.Barrier(len(asked)), list[Any]([None] * len(asked))

    def run(at: int, agent: Agent, tool: str, arguments: dict[str, Any]) -> None:
        start.wait()
        found[at] = agent.call(tool, arguments)

    threads = [threading.Thread(target=run, args=(at, *each)) for at, each in enumerate(asked)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.timeout(180)
def test_of_three_spends_at_two_servers_two_pass_and_stay_spent(tmp_path: Path, postgres_url: str) -> None:
    with pair(tmp_path, postgres_url) as it:
        apply(it.one, "boundary", SPEND)

        def payer(node: Server) -> Agent:
            return it.agent(node, "invoice-bot", "pay-invoices", "payments")

        with payer(it.one) as first, payer(it.two) as second, payer(it.two) as third:
            # So that each node has the boundary: with one that it does not know, nothing of this would be seen.
            until(lambda: second.call("transfer", PAY | {"amount": 2000.01}).code == "constraint_violated")
            said = at_once((first, "transfer", PAY), (second, "transfer", PAY), (third, "transfer", PAY))
            assert Counter(each.code or each.kind for each in said) == {"allowed": 2, "budget_exhausted": 1}
        assert it.two.end(signal.SIGKILL) == -signal.SIGKILL
        it.two.start()
        with payer(it.one) as here, payer(it.two) as there:  # other copies, with keys and runs of their own
            assert [each.call("transfer", PAY).code for each in (here, there)] == ["budget_exhausted"] * 2
            assert there.call("transfer", PAY | {"amount": 1000.0}).kind == "allowed"
            assert here.call("transfer", PAY | {"amount": 0.01}).code == "budget_exhausted"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_what_a_run_did_at_one_server_holds_at_the_other(tmp_path: Path, postgres_url: str) -> None:
    with pair(tmp_path, postgres_url) as it:
        labelled(it)
        with it.agent(it.one, "support-bot", "answer-customers", "crm") as here:
            there = it.agent(it.two, "support-bot", "answer-customers", "crm")
            there.http = it.client(it.two, auth=here.http.auth)  # the same copy, so the same run
            note = {"customer": "c-17", "note": "n"}
            until(lambda: there.call("update_note", note).code == "sequence_required")
            assert here.call("get_customer", {"customer": "c-17"}).kind == "allowed"
            assert there.call("update_note", {**note, "customer": "c-18"}).code == "sequence_required"
            said = at_once(*[(agent, "update_note", note) for agent in (here, there, here, there)])
            assert Counter(each.code or each.kind for each in said) == {"allowed": 3, "sequence_required": 1}
            assert there.call("get_customer", {"customer": "c-17"}).kind == "allowed"
            assert here.call("list_customers", {}).kind == "allowed"
            assert there.call("get_customer", {"customer": "c-17"}).code == "flow_blocked"
            assert it.two.end(signal.SIGKILL) == -signal.SIGKILL
            it.two.start()
            assert there.call("get_customer", {"customer": "c-17"}).code == "flow_blocked"
            there.http.close()
            with it.agent(it.two, "support-bot", "answer-customers", "crm") as anew:  # started again: a key of its own
                assert anew.call("get_customer", {"customer": "c-17"}).code == "flow_blocked"


def labelled(it: Pair) -> None:
    """The boundary with a sequence; and what is listed is private, what is got leaves."""
    servers = yaml.safe_load((it.files / "servers" / "servers.yaml").read_text(encoding="utf-8"))
    crm = next(each for each in servers if each["server"] == "crm")
    crm["tools"]["list_*"] |= {"returns": ["private"]}
    crm["tools"]["get_*"] |= {"carries_out": True}
    apply(it.one, "server", crm)
    apply(it.one, "boundary", ORDER)
