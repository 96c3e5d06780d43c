"""A machine whose server has worked for a while and was ended: for tests of what happens to its data then."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.running import PATIENCE, Home, upstream
from tests.fault import estate
from tests.fault.calls import Agent
from tests.fault.serving import Server


@dataclass(frozen=True)
class Estate:
    """A machine with a log of some time: as it is, and as it was when its checkpoint was kept for the first time."""

    early: Path
    late: Path

    def copy(self, to: Path, *, kept: Path | None = None) -> Home:
        """The late machine, with the checkpoint kept late, or early."""
        shutil.copytree(self.late, to, symlinks=True)
        if kept is not None:
            state = Path(".local") / "state"
            shutil.rmtree(to / state)
            shutil.copytree(kept / state, to / state)
        return Home(to)


def lived(folder: Path) -> Estate:
    """Let a machine live for a while, below `folder`."""
    home = Home(folder / "home")
    home.path.mkdir(mode=0o700)
    with (
        upstream("payments", folder / "payments.jsonl") as payments,
        upstream("crm", folder / "crm.jsonl") as crm,
        Server(home) as server,
    ):
        server.start()
        estate.register(server, folder / "files", payments=payments, crm=crm)
        agent = Agent(
            server.url, "support-bot", estate.key_file(folder / "files", "support-bot"), "answer-customers", "crm"
        )
        with agent:
            _work(agent)
        _keep(server)
        assert server.end() == 0
        shutil.copytree(home.path, folder / "early", symlinks=True)
        server.start()
        with Agent(server.url, agent.name, agent.key, agent.purpose, agent.server) as again:
            _work(again)
        assert server.remit("freeze", "agent", "support-bot", "--reason", "for the log").code == 0
        assert server.end() == 0
    verify = ("audit", "verify", "--data", str(home.data), "--keyfile", str(home.keyfile), "--json")
    assert home.remit(*verify).code == 0  # keeps the newest checkpoint
    assert [step for step in home.remit(*verify).json["steps"] if step["status"] != "ok"] == []
    return Estate(folder / "early", home.path)


def _keep(server: Server) -> None:
    """Keep a checkpoint: a log of less than a second may have none yet, and then nothing is kept."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        done = server.remit("audit", "verify", "--json")
        assert done.code == 0, done.out
        if done.json["steps"][1]["status"] == "ok":
            return
        time.sleep(0.1)
    raise AssertionError("the log was not signed")


def _work(agent: Agent) -> None:
    kinds = [agent.call("list_customers", {}).kind for _ in range(12)]
    kinds += [agent.call("list_customers", {"not": "in the schema"}).kind for _ in range(3)]
    assert kinds == ["allowed"] * 12 + ["denied"] * 3, kinds
