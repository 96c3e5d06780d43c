"""How risky an agent is now, in millionths: what a person said, and what was noticed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from remit.agents.signals import DOUBTS, MOST, Noticed, Signal, risk_of
from remit.kernel.clock import EPOCH, Instant
from remit.kernel.errors import Malformed
from remit.kernel.names import AgentName
from remit.storage.schema import risks, signals

CALM = 500_000  # at most this is little (access/parameters: the two are one number, held together by a test)


@dataclass(frozen=True, slots=True)
class Risk:
    """What is known against an agent."""

    value: int = 0  # millionths, all together
    said: int = 0  # a person's word in it
    calm: Instant = EPOCH  # since when the value is little and no doubt was over; without meaning while it is not
    noticed: tuple[Noticed, ...] = ()


QUIET = Risk()


def checked(value: object) -> int:
    """A risk from 0 to 1,000,000.

    Raises:
        Malformed: It is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
        raise Malformed("a risk is a whole number from 0 to 1000000 (millionths)")
    return value


def signal_of(name: object) -> Signal:
    """A signal by its name.

    Raises:
        Malformed: There is none of that name.
    """
    try:
        return Signal(str(name))
    except ValueError as error:
        raise Malformed(f"there is no signal {name}"[:200], try_=f"one of: {', '.join(Signal)}") from error


def moved(before: Risk, *, said: int, noticed: tuple[Noticed, ...], now: Instant) -> Risk:
    """What is known after a change (pure).

    It is calm from the moment on at which the value became little, or the newest doubt was over: who is doubted every
    other hour is doubted.
    """
    value = risk_of(noticed, said)
    over = not _doubts(before.noticed) <= _doubts(noticed)
    calm = now if over or before.value > CALM >= value else before.calm
    return Risk(value, said, calm, noticed)


def _doubts(noticed: tuple[Noticed, ...]) -> set[tuple[Signal, str]]:
    return {(each.signal, each.about) for each in noticed if each.signal in DOUBTS}


class SqlRisks:
    """Risks and signals, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self, agent: str | None = None) -> list[tuple[str, Risk]]:
        """Agents about whom something is known: all of them, or one."""
        said, noticed = select(risks), select(signals).order_by(signals.c.agent, signals.c.signal, signals.c.about)
        if agent is not None:
            said, noticed = said.where(risks.c.agent == agent), noticed.where(signals.c.agent == agent)
        words = {row.agent: row for row in self._connection.execute(said)}
        found: dict[str, list[Noticed]] = defaultdict(list)
        for row in self._connection.execute(noticed):
            found[row.agent].append(Noticed(Signal(row.signal), row.about, Instant(row.since)))
        known = []
        for name in sorted(words.keys() | found.keys()):
            word, seen = words.get(name), tuple(found.get(name, ()))
            risk = word.risk if word is not None else 0
            calm = Instant(word.calm or 0) if word is not None else EPOCH
            known.append((name, Risk(risk_of(seen, risk), risk, calm, seen)))
        return known

    def find(self, agent: str) -> Risk:
        """What is known against one agent."""
        return dict(self.all(agent)).get(agent, QUIET)

    def put(self, agent: AgentName, risk: Risk, *, now: Instant) -> None:
        """Keep a person's word, and since when it is calm."""
        self._connection.execute(delete(risks).where(risks.c.agent == agent))
        if risk.said or risk.calm:
            row = {"agent": agent, "risk": risk.said, "since": now, "calm": risk.calm or None}
            self._connection.execute(insert(risks).values(row))

    def on(self, agent: AgentName, noticed: Noticed, *, by: str) -> None:
        """A signal is on."""
        row = {
            "agent": agent, "signal": noticed.signal.value, "about": noticed.about, "since": noticed.since, "by": by,
        }  # fmt: skip
        self._connection.execute(insert(signals).values(row))

    def raised_by(self, agent: AgentName, signal: Signal, about: str) -> str | None:
        """Who said that a signal is on; None if it is not."""
        which = (signals.c.agent == agent, signals.c.signal == signal.value, signals.c.about == about)
        return self._connection.execute(select(signals.c.by).where(*which)).scalar_one_or_none()

    def off(self, agent: AgentName, signal: Signal, about: str) -> None:
        """A signal is over."""
        which = (signals.c.agent == agent, signals.c.signal == signal.value, signals.c.about == about)
        self._connection.execute(delete(signals).where(*which))
