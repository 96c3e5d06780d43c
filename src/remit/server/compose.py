"""The composition root: plain lines that build one server from its settings. The only place that names adapters."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.types import ASGIApp

from remit.audit import http as audit_http
from remit.audit.log import Log
from remit.audit.recovery import OpenCalls
from remit.audit.sequencer import Sequencer
from remit.audit.service import Recorder
from remit.audit.states import States
from remit.catalog.service import CatalogService
from remit.certification.usage.coverage import CoverageClock
from remit.connectors.systems import Directory
from remit.console.consent import AUTHORIZE
from remit.console.sessions import Sessions
from remit.enforcement.door import Door as GatewayDoor
from remit.enforcement.importer import Importer
from remit.enforcement.mcp import Gateway
from remit.enforcement.metrics import Metrics
from remit.enforcement.model import Limits
from remit.enforcement.own import OwnResources
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.place import Place
from remit.enforcement.points import Points
from remit.enforcement.relay import Relay
from remit.enforcement.streams import Streams, with_tokens
from remit.enforcement.tool_list import ToolList
from remit.enforcement.upstream import Upstream
from remit.freezes.containment import Acknowledgements, Containment
from remit.freezes.model import FreezeKind
from remit.freezes.service import FreezeService
from remit.kernel.clock import SECOND, Clock, Instant, SystemClock
from remit.kernel.names import new_id
from remit.keys.service import KeyRing
from remit.outbound.model import Endpoint, endpoint
from remit.outbound.session import Outbound
from remit.people.service import PeopleService
from remit.policy.cedar import CedarEngine
from remit.policy.compiled import CompiledEngine
from remit.policy.facts import Facts
from remit.policy.files import PolicyFiles
from remit.policy.mandates import Mandates
from remit.policy.service import PolicyService
from remit.server import http_health, me_mandate, nodes, published, rest
from remit.server.accountable import Accountable
from remit.server.announce import Announcer
from remit.server.app import ME_CAN, App
from remit.server.apply import Applier
from remit.server.compose_governance import Governance, among_nodes, govern, key_changes
from remit.server.compose_identity import nonces_of, revoked_in, token_checker, token_service, token_status
from remit.server.consenting import Consenting
from remit.server.door import Porch
from remit.server.evaluation import Evaluation, discovery
from remit.server.ground import Ground
from remit.server.http_activations import Activations
from remit.server.http_apply import Applying
from remit.server.http_consents import ConsentDoors
from remit.server.http_console import ConsoleDoors
from remit.server.http_decisions import Decisions
from remit.server.http_enforcement import EnforcementStream
from remit.server.http_freezes import Freezes
from remit.server.http_health import Doctor, Health
from remit.server.http_keys import KeyDoors
from remit.server.http_mandates import MandateDoors
from remit.server.http_operators import OperatorTokens
from remit.server.http_peps import EnforcementPoints
from remit.server.http_registry import Registry
from remit.server.http_secrets import Secrets
from remit.server.http_servers import Servers
from remit.server.life import Life, Remit
from remit.server.local_socket import LocalSocket
from remit.server.me import Me
from remit.server.me_can import MeCan
from remit.server.me_mandate import MeMandate
from remit.server.nodes import NOTHING_SEEN
from remit.server.opening import open_store
from remit.server.operator_tokens import Doorkeeper
from remit.server.operators import Authority
from remit.server.peps import Gatekeeper
from remit.server.proxies import trusted
from remit.server.reach import Reach
from remit.server.refresh import Refresher
from remit.server.settings import Settings
from remit.server.state import entitlement_seal, open_admin, open_state
from remit.server.stops import Stops
from remit.server.stored import StoredFacts
from remit.server.trusting import Trusting
from remit.storage.database import Database
from remit.tokens import http as tokens_http
from remit.tokens.check import TokenChecker
from remit.tokens.nonce_http import header
from remit.tokens.revoked import Revoked
from remit.tokens.service import TokenService
from remit.vault.service import Vault

_SPREAD = 1.0  # seconds that a freeze waits for the other nodes to confirm it, before it says who has not


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What serves agents."""

    life: Life
    health: Health
    metrics: Metrics
    reach: Reach
    catalog: CatalogService
    checker: TokenChecker
    gateway: Gateway
    mandates: Mandates
    points: Points
    governance: Governance
    trusting: Trusting
    consenting: Consenting


def build(settings: Settings, *, base: str, listener: tuple[str, int]) -> Remit:
    """Open what is stored and put one server together; nothing runs yet.

    Raises:
        RemitError: The database or its keys do not open (`open_store`).
    """
    clock = SystemClock()
    database, keys = open_store(settings, clock)
    try:
        ground = _ground(settings, base, clock, database, keys)
        gate = _gate(ground, listener)
        tokens = token_service(ground, gate.trusting, gate.consenting)
        local = LocalSocket(settings.data, tokens, ground.facts.view)
        app = _app(ground, gate, tokens)
        database.follow()  # everything is loaded and has subscribed: from here on changes of other nodes are told
        return Remit(app=app, base=base, health=gate.health, life=gate.life, local=local)
    except BaseException:
        database.close()
        raise


def _ground(settings: Settings, base: str, clock: Clock, database: Database, keys: KeyRing) -> Ground:
    engine, vault = CompiledEngine(CedarEngine()), Vault(keys)
    keeper, gatekeeper, revoked = Doorkeeper(clock=clock, dev=settings.dev), Gatekeeper(), Revoked(clock)
    database.join(new_id("nod"), now=clock.now(), covered=NOTHING_SEEN)
    records = Recorder(keys, clock, lambda: database.epoch, lambda: database.node)
    states, seal = States(keys, database.reader), entitlement_seal(keys)
    open_state(settings, database, states, records, seal)
    coverage, systems = CoverageClock(written=lambda: nodes.written(database.peers.others())), Directory()
    facts = Facts(
        source=StoredFacts(seal), engine=engine, contact=_contact(database, clock), reader=database.reader,
        covered=coverage.covered, reading=coverage.reading, written=lambda: nodes.flushes(database.peers.others()),
    )  # fmt: skip
    # In the order in which a change becomes known: keys before what they open, facts before who relies on them.
    database.feed.subscribe(keys.follow, keys.reload)
    database.feed.subscribe(vault.follow, vault.reload)
    database.feed.subscribe(keeper.follow, keeper.reload)
    database.feed.subscribe(gatekeeper.follow, gatekeeper.reload)
    database.feed.subscribe(revoked.follow, revoked.reload)
    database.feed.subscribe(systems.follow, systems.reload)
    database.feed.subscribe(facts.apply)
    open_admin(settings, database, records, clock)

    def load(connection: Connection) -> None:
        vault.reload(connection)
        keeper.reload(connection)
        gatekeeper.reload(connection)
        revoked.reload(connection)
        systems.reload(connection)
        facts.load(connection, epoch=database.epoch)

    database.reader.read(load)
    policy = PolicyService(facts=facts, engine=engine, clock=clock, mac=records.mac, docs=base + published.ERRORS)
    return Ground(
        settings=settings, base=base, clock=clock, database=database, keys=keys, states=states, seal=seal,
        records=records, vault=vault, keeper=keeper, gatekeeper=gatekeeper, revoked=revoked, facts=facts, engine=engine,
        policy=policy, coverage=coverage, systems=systems,
    )  # fmt: skip


def _contact(database: Database, clock: Clock) -> Callable[[], Instant]:
    """When the database last answered, on the clock that decisions are made by."""
    return lambda: Instant(clock.now() - int((time.monotonic() - database.last_contact) * SECOND))


def _gate(ground: Ground, listener: tuple[str, int]) -> Gate:
    settings, clock, database, records = ground.settings, ground.clock, ground.database, ground.records
    writer, feed, policy = database.writer, database.feed, ground.policy
    limits = Limits(request=settings.body_limit)
    health, metrics, calls = Health(database), Metrics(), OpenCalls()

    # The way out, and the catalog that says where it may lead.
    outbound = Outbound(refuse=_own(ground.base, listener))
    upstream = Upstream(
        outbound, ground.vault, limits,
        frozen=lambda secret: (FreezeKind.CREDENTIAL.value, secret) in ground.facts.view().freezes,
    )  # fmt: skip
    reach = Reach(outbound, ground.servers, written=ground.systems.endpoints)
    reach.renew()
    feed.subscribe(reach.follow, lambda _connection: reach.renew())
    catalog = CatalogService(writer=writer, reader=database.reader, records=records, lister=reach)

    # Who asks, what is answered, what is forwarded, and what is cut when the world changes.
    checker = token_checker(ground)
    pipeline = Pipeline(decider=policy, records=records, writer=writer, recovery=calls, clock=clock, metrics=metrics)
    points, streams = _points(ground, pipeline), _streams(ground, pipeline)
    announcer = Announcer(freezes=lambda: ground.facts.view().freezes, epoch=pipeline.epoch)
    feed.subscribe(announcer.follow)
    relay = Relay(pipeline, upstream, streams)
    mandates = Mandates(policy=policy, clock=clock, base=ground.base, reader=database.reader)
    gateway = Gateway(
        door=GatewayDoor(ground.base, checker, clock), pipeline=pipeline, relay=relay,
        tools=ToolList(relay, policy, catalog), resources=OwnResources(relay, mandates), clock=clock, limits=limits,
    )  # fmt: skip

    governance = govern(ground, outbound, lambda: life.loop)
    life = Life(
        coverage=ground.coverage, certifying=governance.certifying, clock=clock, database=database, records=records,
        outbound=outbound, calls=calls, pipeline=pipeline, points=points, announcer=announcer,
        streams=streams, nodes=among_nodes(ground, governance),
        sequencer=Sequencer(writer, database.reader, ground.keys, clock, leads=lambda: database.peers.leads),
        refresher=Refresher(catalog, ground.servers, clock=clock, every=settings.refresh_every),
    )  # fmt: skip
    trusting = Trusting(database, own=_own(ground.base, listener), clock=clock, loop=lambda: life.loop)
    consenting = Consenting(ground, own=_own(ground.base, listener), loop=lambda: life.loop)
    life.more += [trusting.run, consenting.run]
    reach.lister = Importer(upstream, loop=lambda: life.loop)
    return Gate(
        life=life,
        health=health,
        metrics=metrics,
        reach=reach,
        catalog=catalog,
        checker=checker,
        gateway=gateway,
        mandates=mandates,
        points=points,
        governance=governance,
        trusting=trusting,
        consenting=consenting,
    )


def _points(ground: Ground, pipeline: Pipeline) -> Points:
    log = Log(ground.database.reader, ground.keys)
    return Points(
        pipeline=pipeline, purposes=ground.policy.purposes, header=lambda decision: log.find(decision).header,
        clock=ground.clock, docs=ground.base + published.ERRORS, node=lambda: ground.database.node,
    )  # fmt: skip


def _streams(ground: Ground, pipeline: Pipeline) -> Streams:
    revoked = revoked_in(ground)
    streams = Streams(with_tokens(revoked, pipeline.again), pipeline.epoch, with_tokens(revoked, pipeline.frozen))
    ground.database.feed.subscribe(lambda _epoch, topics, _connection: streams.changed(topics))
    return streams


def _own(base: str, listener: tuple[str, int]) -> frozenset[Endpoint]:
    """Remit's own listener, which is nobody's upstream server."""
    return frozenset({endpoint(base), Endpoint(*listener)})


def _stops(ground: Ground, gate: Gate, freezes: FreezeService) -> tuple[Stops, EnforcementStream]:
    announcer, epoch = gate.life.announcer, gate.life.pipeline.epoch
    peers = ground.database.peers
    confirmed = Acknowledgements(
        names=lambda: [each.point.name for each in ground.gatekeeper.listing()], epoch=epoch,
        current=lambda: ground.facts.view().fresh(ground.clock.now()),
    )  # fmt: skip
    ground.database.writer.held = confirmed.held

    def contained(freeze: str) -> Containment:
        return nodes.contained(peers, confirmed, epoch=announcer.began(freeze))

    stops = Stops(
        freezes, gate.life.streams.cut_by, contained, lambda so: peers.wait(so, _SPREAD),
    )  # fmt: skip
    stream = EnforcementStream(
        points=ground.gatekeeper, announcer=announcer, acknowledgements=confirmed, epoch=epoch
    )  # fmt: skip
    return stops, stream


def _me_mandate(ground: Ground, gate: Gate) -> MeMandate:
    me = _me(ground, gate, me_mandate.ME_MANDATE, "GET")
    return MeMandate(me=me, mandates=gate.mandates, keys=ground.keys.token_keys)


def _me(ground: Ground, gate: Gate, path: str, method: str) -> Me:
    return Me(
        base=ground.base, path=path, method=method, checker=gate.checker, writer=ground.database.writer,
        records=ground.records, clock=ground.clock,
    )  # fmt: skip


def _console(ground: Ground, freezes: Freezes, accountable: Accountable, authority: Authority) -> ConsoleDoors:
    return ConsoleDoors(
        base=ground.base, dev=ground.settings.dev, sessions=Sessions(ground.clock.now), view=ground.facts.view,
        policy=ground.policy, coverage=ground.coverage, reader=ground.database.reader, clock=ground.clock,
        accountable=accountable, authority=authority, freezes=freezes,
    )  # fmt: skip


def _activations(ground: Ground, gate: Gate, accountable: Accountable, log: Log) -> Activations:
    governance = gate.governance
    return Activations(
        view=ground.facts.view, policy=ground.policy, hands=governance.hands, service=governance.certifying.service,
        agents=governance.agents, log=log, coverage=ground.coverage, clock=ground.clock, accountable=accountable,
        writer=ground.database.writer, reader=ground.database.reader,
    )  # fmt: skip


def _app(ground: Ground, gate: Gate, tokens: TokenService) -> App:
    settings, clock, database, records = ground.settings, ground.clock, ground.database, ground.records
    writer, reader, policy, base = database.writer, database.reader, ground.policy, ground.base
    governance = gate.governance
    agents, access = governance.agents, governance.access
    people = PeopleService(writer=writer, reader=reader, records=records, suspender=agents)
    freezes = FreezeService(writer=writer, reader=reader, records=records, clock=clock, secrets=ground.vault)
    stops, enforcement = _stops(ground, gate, freezes)
    applier = Applier(
        writer=writer, reader=reader, clock=clock, people=people, agents=agents, catalog=gate.catalog, access=access,
        policies=PolicyFiles(reader=reader, records=records), checker=policy, lister=gate.reach,
        records=records,
    )  # fmt: skip
    accountable, authority, log, life = Accountable(reader), Authority.shipped(), Log(reader, ground.keys), gate.life
    frozen = Freezes(
        freezes=freezes, stops=stops, accountable=accountable, authority=authority, writer=writer, records=records,
        clock=clock,
    )  # fmt: skip
    console = _console(ground, frozen, accountable, authority)
    consents = ConsentDoors(consenting=gate.consenting, sessions=console.sessions, authority=authority, clock=clock)
    doors = [
        *Registry(
            people=people, agents=agents, access=access, accountable=accountable, authority=authority
        ).doors(),
        *Servers(catalog=gate.catalog).doors(),
        *Secrets(vault=ground.vault, writer=writer, reader=reader, records=records, clock=clock).doors(),
        *frozen.doors(),
        *console.doors(),
        *consents.doors(),
        *Decisions(policy=policy, log=log, accountable=accountable).doors(),
        *MandateDoors(mandates=gate.mandates, accountable=accountable).doors(),
        *_activations(ground, gate, accountable, log).doors(),
        *governance.doors(ground, accountable, authority, log),
        *gate.trusting.doors(ground),
        *KeyDoors(ring=ground.keys, changes=key_changes(ground)).doors(),
        *EnforcementPoints(writer=writer, records=records, keeper=ground.gatekeeper, clock=clock).doors(),
        *OperatorTokens(writer=writer, records=records, keeper=ground.keeper, clock=clock).doors(),
        *Applying(
            applier=applier, access=access, accountable=accountable, authority=authority, clock=clock
        ).doors(),
        *Doctor(
            settings=settings, database=database, clock=clock, agents=agents, access=access, catalog=gate.catalog,
            refresher=life.refresher, log_failure=lambda: life.sequencer.failure, states=ground.states,
            sources=governance.sources,
        ).doors(),
    ]  # fmt: skip
    porch = Porch(keeper=ground.keeper, authority=authority, body_limit=settings.body_limit, dev=settings.dev)
    routes = [
        *(porch.route(door) for door in doors),
        *audit_http.routes(log, ground.states, lambda request, action: rest.authorize(porch, request, action)),
        *tokens_http.routes(tokens, consent_page=AUTHORIZE),
        *tokens_http.status_routes(token_status(ground, gate.checker, tokens)),
        discovery(base),
        *me_mandate.routes(_me_mandate(ground, gate)),
        *enforcement.routes(),
        *console.routes(),
        *consents.routes(),
        *http_health.routes(gate.health, gate.metrics.registry),
        *published.routes(doors),
    ]
    return _front(ground, gate, rest.rest(routes))


def _front(ground: Ground, gate: Gate, router: ASGIApp) -> App:
    """What answers before any router: the gateway, dry runs and evaluations."""
    base, limit = ground.base, ground.settings.body_limit
    me_can = MeCan(me=_me(ground, gate, ME_CAN, "POST"), policy=ground.policy, body_limit=limit)
    evaluation = Evaluation(keeper=ground.gatekeeper, points=gate.points, body_limit=limit)
    proxies = ground.settings.trusted_proxies
    return App(
        place=Place(base), gateway=gate.gateway, me_can=me_can, evaluation=evaluation, rest=router,
        proxies=trusted(proxies) if proxies else None, nonces=header(nonces_of(ground), ground.clock),
    )  # fmt: skip
