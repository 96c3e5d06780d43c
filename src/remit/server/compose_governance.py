"""The part of the composition root that certifies access: plain lines, as in `compose`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from remit.access.service import AccessService
from remit.agents.service import AgentService
from remit.agents.signals import Signal, is_own
from remit.audit.finding import Finder
from remit.audit.log import Log
from remit.audit.terms import Sought
from remit.certification.batch import Consequences
from remit.certification.breakglass import BreakGlass
from remit.certification.doubting import Doubting
from remit.certification.grouping import Grouping
from remit.certification.hands import Hands
from remit.certification.noticing.own_signals import OwnSignals
from remit.certification.noticing.toxic import Toxic
from remit.certification.posture.snapshot import Posture
from remit.certification.service import CertificationService
from remit.certification.usage.importing import UsageService
from remit.certification.usage.listening import Listening
from remit.certification.usage.model import UsageEvent
from remit.certification.usage.sources import Sources
from remit.certification.withdrawal.cascade import Cascade
from remit.certification.withdrawal.own import HandedOn, StaticSecrets
from remit.certification.withdrawal.usable import Usable
from remit.certification.withdrawal.withdrawing import Withdrawing
from remit.connectors.system_http import HttpSystems
from remit.connectors.told import Events
from remit.freezes.model import FreezeKind
from remit.kernel.clock import EPOCH, Instant, parse_date_end
from remit.keys.rekey import Rekey
from remit.keys.rotating import Rotating
from remit.keys.rotation import ROTATING
from remit.outbound.session import Outbound
from remit.people.change import Actor
from remit.policy.view import View
from remit.reviews.believing import Believing
from remit.reviews.ground import Ground as ReviewGround
from remit.reviews.service import ReviewService
from remit.server.certifying import Certifying
from remit.server.changed import Changed
from remit.server.compose_exposure import credentials, exposing
from remit.server.compose_requests import request_service, telling
from remit.server.exposing import Exposing
from remit.server.ground import Ground
from remit.server.key_changes import KeyChanges
from remit.server.nodes import Nodes
from remit.server.rekeying import Rekeying
from remit.storage.ports import Transaction

Loop = Callable[[], asyncio.AbstractEventLoop]
Tick = Callable[[Callable[[], bool]], object]
_CANARIES = "reviews/canaries"  # what the secret is derived for that says where made-up questions stand
_LOOKED_AT = 1000  # newest decisions of an agent on which a record was tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Governance:
    """What certifies access, asks people and takes away."""

    agents: AgentService
    access: AccessService
    hands: Hands
    certifying: Certifying
    reviews: ReviewService
    breakglass: BreakGlass
    usage: UsageService
    sources: Sources


def govern(ground: Ground, outbound: Outbound, *, here: Nodes, changed: Changed, loop: Loop) -> Governance:
    """Put it together; nothing runs yet.

    Args:
        ground: What it stands on.
        outbound: The way to other systems.
        here: This node among the others: it certifies while it leads.
        changed: Whom something changed about since the start.
        loop: Where calls to other systems run.
    """
    writer, reader, records, clock = ground.database.writer, ground.database.reader, ground.records, ground.clock
    view, coverage, seal = ground.facts.view, ground.coverage, ground.seal
    agents = AgentService(writer=writer, reader=reader, records=records, data_keys=ground.keys, clock=clock)
    access = AccessService(writer=writer, reader=reader, records=records, clock=clock)
    withdrawing = _withdrawing(ground, outbound, loop)
    hands = Hands(
        writer=writer, records=records, clock=clock, coverage=coverage, view=view, seal=seal, withdrawer=withdrawing,
        prepare=ground.policy.prepare, asker=lambda: reviews,
    )  # fmt: skip
    log = Log(reader, ground.keys)
    breakglass = BreakGlass(
        writer=writer, reader=reader, records=records, clock=clock, signals=agents, questions=lambda: reviews,
        uses=lambda opening: len(log.recent(_LOOKED_AT, kind="decision", decision="allow", break_glass=opening)),
        pager=telling(ground),
    )  # fmt: skip
    doubts = Believing(doubting=lambda: doubting, view=view)
    reviews = ReviewService(
        ReviewGround(
            writer=writer, reader=reader, records=records, clock=clock, hands=hands, boundaries=access, doubts=doubts,
            openings=breakglass, secret=ground.keys.derive(_CANARIES), seal=seal,
        )
    )  # fmt: skip
    doubting = Doubting(
        writer=writer, reader=reader, records=records, clock=clock, asker=reviews,
        refused=lambda agents, since: _refused(log, agents, since),
    )  # fmt: skip
    after = Consequences(records=records, asker=reviews, withdrawer=withdrawing, doubting=doubting)
    service = CertificationService(
        writer=writer, reader=reader, clock=clock, coverage=coverage, view=view, after=after, seal=seal,
        prepare=ground.policy.prepare,
    )  # fmt: skip
    certifying = _certifying(ground, service, agents, reviews, changed)
    certifying.swept = lambda: _swept(Finder(reader))
    ticks = _ticks(ground, agents, doubting, breakglass, withdrawing, reviews, hands)
    certifying.ticks = {"nodes": here.tick, **certifying.ticks, **ticks}
    certifying.daily = {**certifying.daily, **_forgotten(ground, withdrawing, hands)}
    sources = Sources(
        writer=writer, reader=reader, records=records, clock=clock, view=view, covered=service.covered
    )  # fmt: skip
    marks = exposing(ground, lambda: None)
    usage = UsageService(
        writer=writer, reader=reader, records=records, clock=clock, view=view, dirty=service.imported,
        covered=service.covered,
        noticed=lambda tx, event: _noticed(agents, marks, tx, event),
    )  # fmt: skip
    ground.database.feed.subscribe(reviews.follow, reviews.reload)  # it takes everything for changed until now
    return Governance(
        agents=agents, access=access, hands=hands, breakglass=breakglass, certifying=certifying,
        reviews=reviews, usage=usage, sources=sources,
    )  # fmt: skip


def _forgotten(
    ground: Ground, withdrawing: Withdrawing, hands: Hands
) -> dict[str, Callable[[Callable[[], bool]], object]]:
    """What is over for so long that nothing is kept of it, once a day."""
    return {
        "withdrawals": lambda _stop: withdrawing.forget(),
        "approvals": lambda _stop: request_service(ground, lambda: hands).forget(),
    }


def _ticks(
    ground: Ground,
    agents: AgentService,
    doubting: Doubting,
    breakglass: BreakGlass,
    withdrawing: Withdrawing,
    reviews: ReviewService,
    hands: Hands,
) -> dict[str, Tick]:
    """What is looked at each second, in this order, after what certifies itself."""
    listening = Listening(
        writer=ground.database.writer, reader=ground.database.reader, records=ground.records, clock=ground.clock,
        view=ground.facts.view,
    )  # fmt: skip
    requests = request_service(ground, lambda: hands)
    return {
        "secrets": credentials(ground, agents).check,
        "doubts": doubting.tick,
        "usage": listening.tick,
        "breakglass": lambda _stop: breakglass.tick(),
        "approvals": lambda _stop: requests.tick(),
        "withdrawals": withdrawing.tick,
        "keys": key_changes(ground).tick,
        "root": rekeying(ground).tick,
        "reviews": lambda stop: reviews.tick(ground.clock.now(), stop),
    }


def key_changes(ground: Ground) -> KeyChanges:
    """What rotates signing keys, by people and by time."""
    families = {use: Rotating(ground.keys, ground.settings.key_schedule, use) for use in ROTATING}
    return KeyChanges(families=families, writer=ground.database.writer, records=ground.records, clock=ground.clock)


def rekeying(ground: Ground) -> Rekeying:
    """What puts another root key in place of the one there is."""
    database = ground.database
    return Rekeying(
        rekey=Rekey(ground.keys), writer=database.writer, reader=database.reader, records=ground.records,
        clock=ground.clock,
    )  # fmt: skip


def _certifying(
    ground: Ground, service: CertificationService, agents: AgentService, reviews: ReviewService, changed: Changed
) -> Certifying:
    writer, reader, clock, view = ground.database.writer, ground.database.reader, ground.clock, ground.facts.view
    toxic = Toxic(
        writer=writer, reader=reader, view=view, clock=clock, coverage=ground.coverage, signaller=agents,
        asker=reviews, prepare=ground.policy.prepare,
    )  # fmt: skip
    grouping = Grouping(writer=writer, reader=reader, clock=clock)
    own = OwnSignals(writer=writer, reader=reader, view=view, clock=clock, signaller=agents)
    posture = Posture(
        writer=writer, reader=reader, clock=clock, coverage=ground.coverage, view=view, seal=ground.seal
    )  # fmt: skip
    return Certifying(
        service=service, clock=clock, noticing=toxic.check, changed=changed, leads=lambda: ground.database.peers.leads,
        ticks={"posture": lambda stop: _snapshot(posture, view(), stop)},
        daily={"together": grouping.regroup, "signals": own.check},
    )  # fmt: skip


def _snapshot(posture: Posture, view: View, stop: Callable[[], bool]) -> int:
    """The day's figures, from the first boundary on: a row of noughts would stand for the whole first day."""
    return posture.snapshot(stop) if any(each.boundaries for each in view.agents.values()) else 0


def _withdrawing(ground: Ground, outbound: Outbound, loop: Loop) -> Withdrawing:
    writer, reader, records, clock = ground.database.writer, ground.database.reader, ground.records, ground.clock
    events = Events(keys=ground.keys.set_keys, issuer=ground.base, clock=clock)
    systems = HttpSystems(
        signed=events.withdrawn, directory=ground.systems, dialer=outbound, credentials=ground.vault, loop=loop,
        frozen=lambda secret: (FreezeKind.CREDENTIAL.value, secret) in ground.facts.view().freezes,
    )  # fmt: skip
    stands = Usable(view=ground.facts.view, prepare=ground.policy.prepare, coverage=ground.coverage, clock=clock)
    cascade = Cascade(
        reader=reader, records=records, clock=clock, stands=stands, brokered=StaticSecrets(ground.facts.view),
        children=HandedOn(reader, clock), systems=systems,
    )  # fmt: skip
    return Withdrawing(writer=writer, reader=reader, records=records, clock=clock, cascade=cascade)


def _swept(finder: Finder) -> Instant:
    """When everything was judged last; nothing known is long ago."""
    found = finder.page(Sought(fields={"kind": "sweep"}), most=1).entries
    return Instant(parse_date_end(found[0].header["time"])) if found else EPOCH


def _refused(log: Log, agents: Sequence[str], since: Instant) -> int:
    """How many calls of these agents were refused since then because only a person starts what they need."""
    found = (entry for agent in agents for entry in log.recent(_LOOKED_AT, kind="decision", agent=agent))
    return sum(
        1 for each in found
        if each.header.get("code") == "activation_lapsed" and parse_date_end(each.header["time"]) >= since
    )  # fmt: skip


def _noticed(agents: AgentService, marks: Exposing, tx: Transaction, event: UsageEvent) -> None:
    """A source noticed something about an agent, or says that it is over."""
    said = msgspec.json.decode(event.body)
    about, on = str(said.get("about", "")), bool(said.get("on", True))
    if is_own(about):  # it is no word of Remit's own for being said like one
        about = f"{event.source}: {about}"
    by = Actor(by=f"source:{event.source}")
    if on and said.get("signal") == Signal.CREDENTIAL_EXPOSED and (secret := marks.secret_in(about)):
        marks.expose_within(tx, secret, None, reason=f"{event.source} says so", by=by)
        return
    agents.signal_within(tx, event.agent, said.get("signal"), about=about, on=on, by=by, own=True)
