"""Eight writers against a server that is killed under them: each notes every answer it got.

Run as `python -m tests.fault.server_storm SETTINGS`, a JSON object. Every line in the notes was
written after the answer came, with one system call; what is asked is noted before it is sent.
A writer whose server died says `stalled` on stdout, with its newest request that was answered,
and goes on when a line comes on stdin.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import random
import secrets
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from tests.fault import estate
from tests.fault.calls import Agent
from tests.fault.serving import ask

from remit.sdk import keyfile
from remit.sdk.token import token

Note = Callable[..., None]
WRITERS = ("pay-1", "pay-2", "pay-3", "over", "note", "freeze", "budget", "token")
_DEAD = (httpx2.TransportError, OSError, http.client.HTTPException)


class Rounds:
    """Which life of the server it is."""

    def __init__(self) -> None:
        self._number = 0
        self._changed = threading.Condition()

    def next(self) -> None:
        """The server is back."""
        with self._changed:
            self._number += 1
            self._changed.notify_all()

    def after(self, number: int) -> int:
        """Wait for a later round than `number`; which it is."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > number)
            return self._number


class Storm:
    """What the writers do: each step asks, and notes what was answered."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.url: str = settings["url"]
        self.keys = Path(settings["keys"])
        self.admin: str = settings["admin"]
        self.chance = random.Random(settings["seed"])
        self.agents: dict[str, Agent] = {
            name: Agent(self.url, "invoice-bot", self.key("invoice-bot"), "pay-invoices", "payments")
            for name in ("pay-1", "pay-2", "pay-3", "over")
        }
        self.agents["note"] = Agent(self.url, "support-bot", self.key("support-bot"), "answer-customers", "crm")
        self.instance = keyfile.fresh()
        self.units = itertools.count(2)

    def step(self, writer: str, note: Note) -> None:
        """One step of one writer. Raises one of `_DEAD` if there was no answer."""
        if writer.startswith("pay"):
            self.transfer(writer, self.chance.randrange(1, 9) / 4, note)
        elif writer == "over":  # above its bound: answered by a denial, and never forwarded
            self.transfer(writer, 3.25, note)
        elif writer == "note":
            self.call(writer, "update_note", {"customer": "c-17", "note": secrets.token_hex(8)}, note)
        elif writer == "freeze":
            self.freeze(note)
        elif writer == "budget":
            self.budget(note)
        else:
            found, _ = token(
                "support-bot", self.key("support-bot"), "answer-customers", url=self.url, instance_key=self.instance
            )
            note(got="token", id=estate.claims(found.access_token)["jti"])

    def transfer(self, writer: str, amount: float, note: Note) -> None:
        """A transfer to a payee of its own."""
        arguments = {"to": f"{writer}-{secrets.token_hex(8)}", "amount": amount, "currency": "EUR"}
        self.call(writer, "transfer", arguments, note)

    def call(self, writer: str, tool: str, arguments: dict[str, Any], note: Note) -> None:
        """One tool call."""
        note(asked="call", arguments=arguments)
        answer = self.agents[writer].call(tool, arguments)
        said = None if answer.kind in {"allowed", "denied"} else answer.said
        note(got=answer.kind, arguments=arguments, code=answer.code, decision=answer.decision, said=said)

    def freeze(self, note: Note) -> None:
        """Freeze an instance that does not exist, and every other time unfreeze it."""
        name = secrets.token_urlsafe(32)
        status, said = self.api("POST", "/v1/freezes", {"kind": "instance", "name": name, "reason": "storm"})
        if status != 201:
            note(got="other", said=said)
            return
        note(got="freeze", id=said["id"])
        if self.chance.random() < 0.5:
            note(asked="unfreeze", id=said["id"])
            status, after = self.api("DELETE", f"/v1/freezes/instance/{name}")
            note(got="unfreeze" if status == 200 else "other", id=said["id"], said=after)

    def budget(self, note: Note) -> None:
        """The paying agent's budget, a euro more each time: so that it is always almost spent."""
        units = next(self.units)
        note(asked="budget", units=units)
        body = {"documents": [estate.budget(units)], "approve": True}
        status, said = self.api("POST", "/v1/apply", body, as_="dana")
        note(got="budget" if status == 200 and not said["waiting"] else "other", units=units, said=said)

    def api(self, method: str, path: str, body: object = None, *, as_: str = "") -> tuple[int, Any]:
        """A question of an operator."""
        headers = {"Authorization": f"Bearer {self.admin}", "Content-Type": "application/json"}
        return ask(self.url, method, path, body, headers | ({"Remit-Act-As": as_} if as_ else {}))

    def key(self, agent: str) -> Path:
        """An agent's private key."""
        return estate.key_file(self.keys, agent)


def run(storm: Storm, writer: str, rounds: Rounds, note: Note) -> None:
    """One writer, for ever."""
    number = rounds.after(0)
    while True:
        try:
            storm.step(writer, note)
        except _DEAD:
            say(writer, storm.agents.get(writer))
            number = rounds.after(number)
        except Exception:  # noqa: BLE001 - noted, and found by the check
            note(got="other", said=traceback.format_exc())
            say(writer, None)
            return


_talk = threading.Lock()


def say(writer: str, agent: Agent | None) -> None:
    """This writer's server is dead."""
    last = agent.last if agent else None
    request = last and {"headers": dict(last.headers), "body": last.content.decode(), "url": str(last.url)}
    with _talk:
        print(json.dumps({"stalled": writer, "request": request}), flush=True)  # noqa: T201 - the killer reads it


def main() -> None:
    settings = json.loads(sys.argv[1])
    storm, rounds = Storm(settings), Rounds()
    descriptor = os.open(settings["notes"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for writer in WRITERS:

        def note(writer: str = writer, **fields: Any) -> None:
            os.write(descriptor, json.dumps({"writer": writer} | fields).encode() + b"\n")

        threading.Thread(target=run, args=(storm, writer, rounds, note), daemon=True).start()
    for _ in sys.stdin:
        rounds.next()


if __name__ == "__main__":
    main()
