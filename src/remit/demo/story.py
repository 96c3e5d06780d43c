"""`remit demo --once`: the story as a numbered transcript, each step seen from outside.

Seen from outside means: in the ledger that the upstream server wrote, in the JSON line
that the agent printed, or in the exit code of a command run as a process of its own.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import zlib
from collections.abc import Iterator
from typing import Any

from remit.demo.estate import COMBINATION
from remit.demo.processes import until
from remit.demo.stage import REMIT, NotSeenError, Stage, opened
from remit.storage.bundle import pack, unpack

Evidence = Iterator[str]


def see(seen: object, what: str) -> None:
    """Go on if it was seen.

    Raises:
        NotSeenError: It was not.
    """
    if not seen:
        raise NotSeenError(what)


class Story:
    """One telling: the stage, and what later steps need to know of earlier ones."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.denied = ""  # id of the refused transfer

    def start(self) -> Evidence:
        """Remit, two MCP servers and three agents start."""
        stage = self.stage
        stage.start_remit()
        stage.start_upstreams()
        stage.register()
        stage.start_agents()
        yield f"remit up: {stage.url}; agents ready: {', '.join(stage.agents)}"
        findings = json.loads(stage.remit("doctor", "--json"))
        see("legacy-bot" in json.dumps(findings), "doctor names legacy-bot, whose tokens are not bound to a key")
        yield "remit doctor: legacy-bot's tokens are not bound to a key (a finding)"

    def read(self) -> Evidence:
        """An agent reads: the call reaches the server, with the sealed key and not with the agent's token."""
        before = len(self.stage.ledger("payments"))
        bot = self.stage.agents["invoice-bot"]
        bot.tell(tool="list_invoices", arguments={})
        heard = bot.hear()
        see(heard["result"] == "ok", f"invoice-bot reads: {heard}")
        lines = self.stage.ledger("payments")
        see(len(lines) == before + 1, "one more line at payments")
        see(lines[-1]["authorization"] == self.stage.expected_authorization(), "payments saw the sealed key")
        yield f"upstream ledger: +1 line, {lines[-1]['tool']}; its Authorization was the sealed key"

    def bound(self) -> Evidence:
        """A transfer above its bound is refused; the agent reads the refusal and lowers the amount by itself."""
        before = len(self.stage.ledger("payments"))
        bot = self.stage.agents["invoice-bot"]
        bot.tell(tool="transfer", arguments={"to": "Acme GmbH", "amount": 900, "currency": "EUR"}, adapt=True)
        denied = bot.hear()
        see(denied["result"] == "denied" and denied["code"] == "constraint_violated", f"900 is refused: {denied}")
        self.denied = denied["decision"]
        again = bot.hear()
        see(again["result"] == "ok" and again["arguments"]["amount"] == 500, f"500 is paid: {again}")  # noqa: PLR2004 - the boundary's max
        lines = self.stage.ledger("payments")[before:]
        see([line["arguments"]["amount"] for line in lines] == [500.0], "payments saw only the lower amount")
        yield f"asked 900: {denied['code']} ({denied['decision']}), remedies {', '.join(denied['remedies'])}"
        yield "upstream ledger: +1 line, amount 500"

    def budget(self) -> Evidence:
        """Three transfers at once against a budget that fits two: exactly two arrive."""
        before = len(self.stage.ledger("payments"))
        bot = self.stage.agents["invoice-bot"]
        bot.tell(tool="transfer", arguments={"to": "Brindle Ltd", "amount": 400, "currency": "EUR"}, times=3)
        heard = [bot.hear() for _ in range(3)]
        codes = sorted(line.get("code", "ok") for line in heard)
        see(codes == ["budget_exhausted", "ok", "ok"], f"two pass, one does not: {heard}")
        lines = self.stage.ledger("payments")[before:]
        see(len(lines) == 2, f"exactly two arrived, not {len(lines)}")  # noqa: PLR2004 - what the budget fits
        yield "3 x 400 against 800 left today: ok, ok, budget_exhausted"
        yield "upstream ledger: +2 lines"

    def rotate(self) -> Evidence:
        """The key of payments is changed while an agent works: no call fails, and the old key opens nothing."""
        stage, bot = self.stage, self.stage.agents["invoice-bot"]
        see(stage.opens(stage.secret), "payments opens for the key that was sealed")
        before = len(stage.ledger("payments"))
        done = stage.processes.start(
            "rotate", [REMIT, "secret", "rotate", "payments-key", "--wait"], environ=stage.environ
        )
        while done.poll() is None:
            bot.tell(tool="list_invoices", arguments={})
            heard = bot.hear()
            see(heard["result"] == "ok", f"it reads meanwhile: {heard}")
        see(done.returncode == 0, "the rotation is done")
        bot.tell(tool="list_invoices", arguments={})
        see(bot.hear()["result"] == "ok", "it reads with the new key")
        lines = stage.ledger("payments")[before:]
        keys = list(dict.fromkeys(line["authorization"] for line in lines))
        see(len(keys) == 2, f"payments saw two keys: {len(keys)}")  # noqa: PLR2004 - old, new
        see(not stage.opens(stage.secret), "the old key opens nothing any more")
        yield f"remit secret rotate payments-key: {len(lines)} calls meanwhile, none refused"
        yield "upstream ledger: two keys, one after the other; asked straight, payments answers 401 to the old one"

    def rug_pull(self) -> Evidence:
        """A server changes a tool's definition: the tool is gone until a person has looked."""
        bot = self.stage.agents["support-bot"]
        bot.tell(list=True)
        see("get_customer" in bot.hear()["tools"], "get_customer is listed")
        os.kill(self.stage.upstream["crm"].pid, signal.SIGUSR1)
        tools: list[str] = []

        def gone() -> bool:
            bot.tell(list=True)
            tools[:] = bot.hear()["tools"]
            return "get_customer" not in tools

        see(until(gone), f"get_customer is no longer listed: {tools}")
        before = len(self.stage.ledger("crm"))
        bot.tell(tool="get_customer", arguments={"customer": "c-17"})
        heard = bot.hear()
        see(heard.get("code") == "tool_definition_changed", f"the call is refused: {heard}")
        see(len(self.stage.ledger("crm")) == before, "nothing arrived at the CRM")
        yield f"listed now: {', '.join(tools)}; calling it: {heard['code']}"
        yield "upstream ledger: +0 lines"

    def lapse(self) -> Evidence:
        """An access that nobody uses lapses by itself, and comes back with its next justified use."""
        bot, note = self.stage.agents["support-bot"], {"customer": "c-17", "note": "called"}
        bot.tell(tool="update_note", arguments=note)
        see(bot.hear()["result"] == "ok", "the first use starts it")
        see(until(lambda: self._verdicts()[-1:] == ["lapse"], seconds=30), f"it lapses: {self._verdicts()}")
        bot.tell(tool="update_note", arguments=note)
        see(bot.hear()["result"] == "ok", "the next use starts it again")
        found = self.stage.verdicts("crm/update_note")
        words = [str(each["verdict"]) for each in found]
        see(words[0] == "start" and {"lapse", "reactivate"} < set(words), f"the verdicts say so: {words}")
        for each in found:
            self.stage.remit("certify", "replay", each["id"])
        yield f"crm/update_note, unused for {self.stage.ttl}: in force, lapsed, in force; no person was asked"
        yield f"verdicts {', '.join(words)}: each derived again, the same byte for byte"

    def risk(self) -> Evidence:
        """Something is wrong with the agent: what slept stays asleep, and nobody has to be quick."""
        stage, bot, note = self.stage, self.stage.agents["support-bot"], {"customer": "c-17", "note": "called"}
        see(until(lambda: stage.activation("crm/update_note") == "lapsed", seconds=30), "it lapsed again")
        stage.remit("agent", "signal", "support-bot", "anomaly")
        stage.remit("agent", "signal", "support-bot", "denied_often")
        before = len(stage.ledger("crm"))
        bot.tell(tool="update_note", arguments=note)
        heard = bot.hear()
        see(heard.get("code") == "activation_lapsed", f"it does not start by itself: {heard}")
        see(len(stage.ledger("crm")) == before, "nothing arrived at the CRM")
        yield f"anomaly and denied_often noticed; crm/update_note lapsed: {heard['code']}, upstream ledger: +0 lines"
        for noticed in ("anomaly", "denied_often"):
            stage.remit("agent", "signal", "support-bot", noticed, "--over")
        bot.tell(tool="update_note", arguments=note)
        see(bot.hear()["result"] == "ok", "once that is over, it does")
        yield "over: the next call starts it again, upstream ledger: +1 line"

    def question(self) -> Evidence:
        """What only a person can weigh is asked, with what is known; the owner answers, and may take it back."""
        stage = self.stage
        (stage.files / "combinations").mkdir()
        (stage.files / "combinations" / "crm.yaml").write_text(COMBINATION, encoding="utf-8")
        stage.remit("apply", str(stage.files))
        asked: list[dict[str, Any]] = []

        def arrived() -> bool:
            asked[:] = json.loads(stage.remit("review", "list", "--as", "dana", "--json"))["questions"]
            return bool(asked)

        see(until(arrived, seconds=30), "dana is asked")
        first = asked[0]
        yield f"crm/export_* and crm/update_note together: dana is asked; recommended: {first['recommendation']}"
        keep = ("review", "keep", first["question"], "--note", "notes only", "--as", "dana", "--json")
        said = json.loads(stage.remit(*keep))
        stage.remit("review", "undo", said["answer"], "--as", "dana")
        yield "dana says keep, and takes it back within the ten minutes in which she can"

    def _verdicts(self) -> list[str]:
        return [str(each["verdict"]) for each in self.stage.verdicts("crm/update_note")]

    def freeze(self) -> Evidence:
        """A person freezes an agent: what runs is cut, and nothing more gets through once the command has returned."""
        bot = self.stage.agents["support-bot"]
        bot.tell(tool="export_customers", arguments={})
        see(until(lambda: self._ran("export_customers")), "a long export is under way at the CRM")
        told = json.loads(self.stage.remit("freeze", "support-bot", "--reason", "it reads too much", "--json"))
        heard = bot.hear()
        see(heard.get("code") == "revoked", f"the export is cut: {heard}")
        see(len(told["cut"]) == 1, f"the command names what it cut: {told}")
        yield f"an export was running: cut in the middle; the agent prints: {heard['code']}"
        before = len(self.stage.ledger("crm"))
        bot.tell(tool="list_customers", arguments={})
        heard = bot.hear()
        see(heard.get("code") == "revoked", f"the agent hears revoked: {heard}")
        see(len(self.stage.ledger("crm")) == before, "nothing arrived at the CRM")
        yield f"remit freeze support-bot: exit 0; the agent prints: {heard['code']}"
        yield "upstream ledger: +0 lines"

    def _ran(self, tool: str) -> bool:
        return any(line["tool"] == tool for line in self.stage.ledger("crm"))

    def why(self) -> Evidence:
        """Why was it refused? The record answers."""
        record = json.loads(self.stage.remit("why", self.denied, "--json"))
        text = json.dumps(record)
        see("constraint_violated" in text and "/amount" in text, f"why names the argument: {text}")
        said = self.stage.remit("why", self.denied).strip().splitlines()
        reason = next(at for at, line in enumerate(said) if line.startswith("  because"))
        yield from (line.rstrip() for line in [*said[:2], *said[reason : reason + 5]])

    def verify(self) -> Evidence:
        """The log proves itself."""
        stage = self.stage
        report = json.loads(stage.remit("audit", "verify", "--json"))
        see(report["ok"], f"the log verifies: {report}")
        yield f"remit audit verify: exit 0, {report['size']} entries, root {str(report['root'])[:16]}..."

    def tamper(self) -> Evidence:
        """Someone with the database changes one byte of a recorded entry: found, and named."""
        stage = self.stage
        see(stage.server is not None and stage.processes.end(stage.server) == 0, "remit stops with exit 0")
        index = change_one_byte(stage, self.denied)
        report = json.loads(stage.remit("audit", "verify", "--data", str(stage.data), "--json", exits=8))
        see(report["first_bad_index"] == index, f"index {index} is named: {report['first_bad_index']}")
        yield f"one byte of entry {index} changed; remit audit verify: exit 8, names entry {report['first_bad_index']}"


def change_one_byte(stage: Stage, entry: str) -> int:
    """Flip one byte in the recorded header of `entry`, straight in the database; return its log index."""
    database = sqlite3.connect(stage.data / "remit.db")
    try:
        query = "SELECT b.bundle, b.headers, b.first, e.slot FROM bundles b JOIN entries e ON e.bundle = b.bundle"
        bundle, packed, first, slot = database.execute(f"{query} WHERE e.entry = ?", (entry,)).fetchone()
        headers = unpack(zlib.decompress(packed))
        headers[slot] = headers[slot].replace(b'"deny"', b'"denz"')
        database.execute("UPDATE bundles SET headers = ? WHERE bundle = ?", (zlib.compress(pack(headers), 1), bundle))
        database.commit()
    finally:
        database.close()
    return int(first) + int(slot)


STEPS = (
    Story.start, Story.read, Story.bound, Story.budget, Story.lapse, Story.risk, Story.question, Story.rotate,
    Story.rug_pull, Story.freeze, Story.why, Story.verify, Story.tamper,
)  # fmt: skip


def say(line: str) -> None:
    """One line of the transcript, at once, also into a pipe."""
    print(line, flush=True)


def tell() -> int:
    """Tell the story; 0 if every step was seen from outside, 4 if one was not."""
    try:
        with opened(ttl="3s") as stage:
            story = Story(stage)
            for number, step in enumerate(STEPS, 1):
                say(f"{number}. {(step.__doc__ or '').rstrip('.')}")
                for line in step(story):
                    say(f"     {line}")
    except NotSeenError as error:
        say(f"   x not seen: {error}")
        return 4
    say(f"All {len(STEPS)} steps were seen from outside: in the servers' ledgers, the agents' output, exit codes.")
    return 0
