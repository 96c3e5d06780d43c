"""The disk is full, or takes no writes: every call is refused, nothing is forwarded, and it ends by itself."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.running import Home, upstream
from tests.fault import estate
from tests.fault.calls import Agent, Answer
from tests.fault.record import ledger
from tests.fault.serving import Server
from tests.fault.small_disk import small_disk

PATIENCE = 30.0  # seconds: a hang is found, a slow machine is not
NOTE = {"customer": "c-17", "note": "full"}


@dataclass
class Scene:
    """A running server, an agent of it, and the disk's two switches."""

    server: Server
    agent: Agent
    ledger: Path
    break_disk: Callable[[], None]
    mend_disk: Callable[[], None]

    def until(self, kind: str) -> tuple[float, list[Answer]]:
        """Call until the answer is of that kind; the seconds it took, and the answers before it."""
        started = time.monotonic()
        before: list[Answer] = []
        while time.monotonic() < started + PATIENCE:
            answer = self.agent.call("update_note", NOTE)
            if answer.kind == kind:
                return time.monotonic() - started, before
            before.append(answer)
        raise AssertionError(f"never {kind}; the last answer was {before[-1]}")


@contextmanager
def served(tmp_path: Path, home: Home, **more: Any) -> Iterator[tuple[Server, Agent, Path]]:
    """A server with an agent that may write notes."""
    notes, files = tmp_path / "crm.jsonl", tmp_path / "files"
    with (
        upstream("payments", tmp_path / "payments.jsonl") as payments,
        upstream("crm", notes) as crm,
        Server(home, **more) as server,
    ):
        server.start()
        estate.register(server, files, payments=payments, crm=crm)
        key = estate.key_file(files, "support-bot")
        with Agent(server.url, "support-bot", key, "answer-customers", "crm") as agent:
            assert agent.call("update_note", NOTE).kind == "allowed"
            yield server, agent, notes


@contextmanager
def on_a_full_disk(tmp_path: Path) -> Iterator[Scene]:
    """Data, keyfile and the server's own log on a tmpfs of a few MiB: ENOSPC."""
    place = tmp_path / "disk"
    place.mkdir()
    with small_disk(place, mebibytes=24) as disk:
        if isinstance(disk, str):
            pytest.skip(f"NO DISK-FULL TEST HERE: a tmpfs cannot be mounted: {disk}")
        home = Home(disk.outside / "home")
        home.path.mkdir(mode=0o700)
        with served(tmp_path, home, inside=disk.inside) as (server, agent, notes):
            yield Scene(server, agent, notes, disk.fill, disk.empty)


@contextmanager
def on_a_broken_disk(tmp_path: Path) -> Iterator[Scene]:
    """No file of the server's may be written any more (RLIMIT_FSIZE): EFBIG. Works without any privilege."""
    home = Home(tmp_path / "home")
    home.path.mkdir(mode=0o700)
    with served(tmp_path, home) as (server, agent, notes):
        assert server.process is not None
        pid = server.process.pid

        def limit(size: int) -> None:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        yield Scene(server, agent, notes, lambda: limit(0), lambda: limit(resource.RLIM_INFINITY))


@pytest.mark.parametrize("disk", [on_a_full_disk, on_a_broken_disk])
def test_nothing_is_forwarded_that_cannot_be_recorded(disk: Any, tmp_path: Path) -> None:
    with disk(tmp_path) as it:
        it.break_disk()
        first, before = it.until("unavailable")
        # An answer that was given before the disk was really full is good, and was recorded.
        assert {answer.kind for answer in before} <= {"allowed"}
        ran = len(ledger(it.ledger))
        answers = [it.agent.call("update_note", NOTE) for _ in range(20)]
        assert {(answer.kind, answer.code) for answer in answers} == {("unavailable", "enforcement_unavailable")}
        assert all(answer.said["retryable"] is True for answer in answers)
        assert len(ledger(it.ledger)) == ran, "a call left that could not be recorded"
        status, said = it.server.ask("POST", "/v1/freezes", {"kind": "agent", "name": "legacy-bot"})
        assert (status, said["code"]) == (503, "storage_unavailable")
        assert it.server.ask("GET", "/v1/freezes")[0] in {200, 503}
        for _ in range(40):  # two seconds, in which it tries again several times
            assert it.server.ask("GET", "/readyz")[0] == 503
            time.sleep(0.05)
        assert it.server.ask("GET", "/healthz")[0] == 200
        done = it.server.remit("freeze", "agent", "legacy-bot")
        assert done.code == 7, done.err

        it.mend_disk()
        back, refused = it.until("allowed")
        assert {answer.kind for answer in refused} <= {"unavailable"}
        assert len(ledger(it.ledger)) == ran + 1
        assert it.server.ask("POST", "/v1/freezes", {"kind": "agent", "name": "legacy-bot"})[0] == 201
        verified = it.server.remit("audit", "verify")
        assert verified.code == 0, verified.out
        assert it.server.end(signal.SIGTERM) == 0
        offline = it.server.remit("audit", "verify", "--data", str(it.server.home.data))
        assert offline.code == 0, offline.out
        print(  # noqa: T201 - what was measured
            f"{len(before)} calls went through before the first refusal after {first:.2f} s; "
            f"served again after {back:.2f} s and {len(refused)} more refusals"
        )


STOP = 'forbid (principal, action == Remit::Action::"crm/update_note", resource);'


@pytest.mark.parametrize("disk", [on_a_full_disk, on_a_broken_disk])
def test_what_people_and_policies_say_is_not_in_force_unless_it_is_kept(disk: Any, tmp_path: Path) -> None:
    """A yes, or a policy, that could not be written is none: neither now, nor when the disk takes writes again."""
    policy = {"documents": [{"kind": "policy", "file": "policies/stop.cedar", "text": STOP}]}
    with disk(tmp_path) as it:
        asks = estate.budget(5)
        asks["spec"]["allow"][0]["approval"] = {"above": {"amount": "1.00"}}
        status, said = it.server.ask("POST", "/v1/apply", {"documents": [asks], "approve": True}, as_="dana")
        assert (status, said["waiting"]) == (200, []), said
        call = {"amount": 1.5, "currency": "EUR", "to": "x"}
        body = {"agent": "invoice-bot", "action": "payments/transfer", "arguments": call}
        status, said = it.server.ask("POST", "/v1/approvals", body, as_="lee")
        assert (status, said["state"]) == (202, "pending"), said
        request = f"/v1/approvals/{said['request']}"

        it.break_disk()
        it.until("unavailable")
        for path, sent in ((f"{request}/approve", {}), ("/v1/approvals", body), ("/v1/apply", policy)):
            status, said = it.server.ask("POST", path, sent, as_="dana")
            assert (status, said["code"]) == (503, "storage_unavailable"), (path, said)

        it.mend_disk()
        it.until("allowed")  # no policy stops it
        assert it.server.ask("GET", request)[1]["state"] == "pending"
        assert it.server.ask("GET", request)[1]["yes"] == []
        assert it.server.remit("audit", "verify").code == 0
        status, said = it.server.ask("POST", f"{request}/approve", {}, as_="dana")
        assert (status, said["state"]) == (200, "approved"), said
        status, said = it.server.ask("POST", "/v1/apply", policy, as_="dana")
        assert status == 200, said
        assert it.agent.call("update_note", NOTE).code == "forbidden_by_policy"
