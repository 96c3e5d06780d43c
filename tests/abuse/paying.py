"""A real `remit up` with `invoice-bot`, its own key and token, people, and a payments server that writes a ledger."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.running import Home, tree, upstream
from tests.e2e.test_e2e_approvals import Agent
from tests.e2e.test_e2e_enforcement_points import Edge, applied

from remit.cli.agent import keygen


@dataclass
class Paying:
    """What an attacker who is the agent has: its key, its token, Remit's URL; and what people see of it."""

    home: Home
    edge: Edge
    key: Path
    ledger: Path
    agent: Agent = field(init=False)

    def __post_init__(self) -> None:
        self.agent = Agent(self.edge, self.key)

    def entries(self) -> list[dict[str, Any]]:
        """What the log says of decisions, refusals and changes; Remit's own clockwork left out."""
        rows = self.home.remit("audit", "tail", "-n", "500", "--json").json["entries"]
        return [row for row in reversed(rows) if row["kind"] in {"decision", "refused", "outcome", "change", "request"}]

    def since(self, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What was recorded since."""
        known = {row["id"] for row in before}
        return [row for row in self.entries() if row["id"] not in known]

    def paid(self) -> int:
        """How many calls the payments server got."""
        return len(self.ledger.read_text("utf-8").splitlines()) if self.ledger.exists() else 0


@contextlib.contextmanager
def paying(tmp_path: Path) -> Iterator[Paying]:
    """The whole of it, for as long as the block runs."""
    path, ledger = tmp_path / "home", tmp_path / "ledger"
    path.mkdir(mode=0o700)
    home = Home(path)
    with upstream("payments", ledger) as port, home.up("--dev") as up:
        files = tree(tmp_path / "files", payments=port)
        key = files / "agents" / "invoice-bot"
        assert keygen("invoice-bot", key) == 0
        applied(home, files)
        yield Paying(home, Edge(up.ready["api"], ""), key, ledger)


def shown(answer: tuple[int, dict[str, str], Any]) -> tuple[int, str]:
    """The status and the code of an answer."""
    status, _, body = answer
    return status, str((body or {}).get("code", (body or {}).get("error", json.dumps(body))))
