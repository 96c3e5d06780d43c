"""The composition root: plain lines that build one server from its settings. The only place that names adapters."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from starlette.routing import Route
from starlette.types import ASGIApp

from remit.audit.indexing import Indexing
from remit.audit.log import Log
from remit.audit.recovery import OpenCalls
from remit.audit.sequencer import Sequencer
from remit.audit.service import Recorder
from remit.audit.states import States
from remit.catalog.service import CatalogService
from remit.certification.usage.coverage import CoverageClock
from remit.connectors.systems import Directory
from remit.console.paths import AUTHORIZE
from remit.enforcement import search_tokens
from remit.enforcement.batches import Batches
from remit.enforcement.candidates import Candidates
from remit.enforcement.door import Door as GatewayDoor
from remit.enforcement.entries import Entries
from remit.enforcement.importer import Importer
from remit.enforcement.mcp import Gateway
from remit.enforcement.metrics import Metrics
from remit.enforcement.model import Limits
from remit.enforcement.own import OwnResources
from remit.enforcement.own_types import OwnTypes
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.place import Place
from remit.enforcement.points import Points
from remit.enforcement.presented import Shown
from remit.enforcement.questions import Questions
from remit.enforcement.relay import Relay
from remit.enforcement.searching import Searching
from remit.enforcement.states import States as RequestStates
from remit.enforcement.streams import Streams, with_tokens
from remit.enforcement.tool_list import ToolList
from remit.freezes.arrivals import Arrivals
from remit.freezes.containment import Acknowledgements
from remit.kernel.clock import SECOND, Clock, Instant, SystemClock
from remit.kernel.names import new_id
from remit.keys.service import KeyRing
from remit.outbound.model import Endpoint, endpoint
from remit.outbound.session import Outbound
from remit.policy.cedar import CedarEngine
from remit.policy.compiled import CompiledEngine
from remit.policy.facts import Facts
from remit.policy.mandates import Mandates
from remit.policy.service import PolicyService
from remit.requests import binding
from remit.requests.binding import Binder
from remit.server import http_ready, me_mandate, me_whoami, nodes, rest
from remit.server.announce import Announcer
from remit.server.app import ERRORS, EVALUATION, ME_CAN, App
from remit.server.asking_provider import AskingProvider
from remit.server.authzen_metadata import discovery
from remit.server.changed import Changed
from remit.server.compose_commands import commands, upstreams
from remit.server.compose_connecting import connecting
from remit.server.compose_exposure import credited
from remit.server.compose_http import ext_authz, http_gateway
from remit.server.compose_identity import nonces_of, revoked_in, token_checker, token_service, token_status
from remit.server.compose_leasing import leases
from remit.server.compose_load import shedding, watch_loops
from remit.server.compose_me import mandate_of, me, whoami_of
from remit.server.compose_requests import access_requests, notifying, request_service
from remit.server.compose_rotating import secrets
from remit.server.consenting import Consenting
from remit.server.evaluation import Evaluation
from remit.server.gate import Gate
from remit.server.ground import Ground
from remit.server.http_enforcement import EnforcementStream
from remit.server.http_ready import Health
from remit.server.later import Later, answered_by
from remit.server.life import Life, Remit
from remit.server.local_socket import LocalSocket
from remit.server.me_can import MeCan
from remit.server.nodes import NOTHING_SEEN, Nodes
from remit.server.opening import open_store
from remit.server.operator_tokens import Doorkeeper
from remit.server.peps import Gatekeeper
from remit.server.policy_watch import PolicyWatch
from remit.server.proxies import trusted
from remit.server.reach import Reach
from remit.server.refresh import Refresher
from remit.server.self_evaluation import PointsOrAgents, SelfEvaluation
from remit.server.settings import Settings
from remit.server.state import entitlement_seal, open_admin, open_state
from remit.server.stored import StoredFacts
from remit.server.trusting import Trusting
from remit.storage.database import Database
from remit.storage.ports import Transaction
from remit.tokens import http as tokens_http
from remit.tokens.check import TokenChecker
from remit.tokens.nonce_http import header
from remit.tokens.revoked import Revoked
from remit.tokens.service import TokenService
from remit.vault.service import Vault

if TYPE_CHECKING:
    from remit.enforcement.http import HttpGateway
    from remit.server.compose_governance import Governance
    from remit.server.proxy import ProxyServer


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
        watch_loops(ground, gate.life.pipeline, gate.governance)
        tokens = token_service(ground, gate.trusting, gate.consenting)
        http = http_gateway(ground, gate)
        proxy = None if settings.proxy is None else _proxy(ground, gate, http)
        local = LocalSocket(settings.data, tokens, ground.facts.view, proxy=None if proxy is None else proxy.local)
        later = Later(lambda: _api(ground, gate))
        app = _front(ground, gate, tokens, http, rest.rest(_routes(ground, gate, tokens), otherwise=answered_by(later)))
        database.follow()  # everything is loaded and has subscribed: from here on changes of other nodes are told
        return Remit(app=app, later=later, base=base, health=gate.health, life=gate.life, local=local, proxy=proxy)
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
        mac=records.mac,
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
    binder = Binder(base=base, key=keys.derive(binding.LABEL), mac=records.mac)
    policy = PolicyService(
        facts=facts, engine=engine, clock=clock, mac=records.mac, docs=base + ERRORS, asking=binder.block
    )
    return Ground(
        settings=settings, base=base, clock=clock, database=database, keys=keys, states=states, seal=seal,
        records=records, vault=vault, keeper=keeper, gatekeeper=gatekeeper, revoked=revoked, facts=facts, engine=engine,
        policy=policy, coverage=coverage, systems=systems, binder=binder,
    )  # fmt: skip


def _contact(database: Database, clock: Clock) -> Callable[[], Instant]:
    """When the database last answered, on the clock that decisions are made by."""
    return lambda: Instant(clock.now() - int((time.monotonic() - database.last_contact) * SECOND))


def _gate(ground: Ground, listener: tuple[str, int]) -> Gate:
    settings, clock, database, records = ground.settings, ground.clock, ground.database, ground.records
    writer, feed, policy = database.writer, database.feed, ground.policy
    limits = Limits(request=settings.body_limit)
    health, metrics, calls, said = Health(database), Metrics(), OpenCalls(), credited(ground)

    # The way out, and the catalog that says where it may lead.
    outbound = Outbound(refuse=_own(ground.base, listener))
    reach = _reach(ground, outbound)
    catalog = CatalogService(writer=writer, reader=database.reader, records=records, lister=reach, clock=clock)

    # Who asks, what is answered, what is forwarded, and what is cut when the world changes.
    checker = token_checker(ground)
    pipeline = Pipeline(decider=policy, records=said, writer=writer, recovery=calls, clock=clock, metrics=metrics)
    watch = _watch(ground, pipeline)
    points, streams = _points(ground, pipeline, watch, checker), _streams(ground, pipeline)
    arrivals = Arrivals()
    announcer = Announcer(freezes=lambda: ground.facts.view().freezes, epoch=pipeline.epoch, begun=arrivals.began)
    feed.subscribe(announcer.follow)
    lent = leases(ground, outbound)
    children = commands(ground, pipeline, limits, lent.leasing)
    upstream = upstreams(ground, outbound, children, catalog, limits)
    states = RequestStates(ground.keys.derive("mcp/request-state"), clock)
    relay = Relay(pipeline, upstream, streams, states)
    mandates = Mandates(policy=policy, clock=clock, base=ground.base, reader=database.reader)
    gateway = Gateway(
        door=GatewayDoor(ground.base, checker, clock, ground.vault.carries), pipeline=pipeline, relay=relay,
        tools=ToolList(relay, policy, catalog),
        entries=Entries(relay, policy, OwnResources(relay, mandates)), clock=clock, limits=limits,
    )  # fmt: skip

    changed = Changed(lambda: ground.facts.view().agents)
    feed.subscribe(changed.follow)
    governance = Later(lambda: _governance(ground, outbound, life, changed))
    life = Life(
        coverage=ground.coverage, governance=governance, clock=clock, database=database, records=records,
        outbound=outbound, calls=calls, pipeline=pipeline, points=points, announcer=announcer,
        streams=streams, nodes=_among_nodes(ground, governance),
        sequencer=Sequencer(writer, database.reader, ground.keys, clock, leads=lambda: database.peers.leads),
        refresher=Refresher(catalog, ground.servers, clock=clock, every=settings.refresh_every),
    )  # fmt: skip
    trusting = Trusting(database, own=_own(ground.base, listener), clock=clock, loop=lambda: life.loop)
    consenting = Consenting(ground, own=_own(ground.base, listener), loop=lambda: life.loop)
    provider = None if settings.sign_in is None else AskingProvider(
        settings.sign_in, own=_own(ground.base, listener), clock=clock, loop=lambda: life.loop
    )  # fmt: skip
    life.more += [] if provider is None else [provider.run]
    notified = notifying(ground, own=_own(ground.base, listener))
    life.more += [trusting.run, consenting.run, notified.run, watch.run, children.run, lent.run]
    life.more += secrets(ground, life, outbound)
    life.more.append(Indexing(writer, database.reader, leads=lambda: database.peers.leads).run)
    reach.lister = Importer(upstream, loop=lambda: life.loop)
    return Gate(
        life=life, health=health, metrics=metrics, reach=reach, catalog=catalog, checker=checker, gateway=gateway,
        mandates=mandates, points=points, confirmed=_confirmed(ground, pipeline, arrivals),
        arrivals=arrivals, governance=governance,
        trusting=trusting, consenting=consenting, connecting=connecting(ground, outbound, lambda: life.loop),
        watch=watch, leasing=lent.leasing, provider=provider,
    )  # fmt: skip


def _reach(ground: Ground, outbound: Outbound) -> Reach:
    """Where the catalog leads, as it is now and as it changes."""
    reach = Reach(outbound, ground.servers, written=ground.systems.endpoints)
    reach.renew()
    ground.database.feed.subscribe(reach.follow, lambda _connection: reach.renew())
    return reach


def _watch(ground: Ground, pipeline: Pipeline) -> PolicyWatch:
    """What compares decisions with those by a policy set that is observed."""
    database = ground.database
    watch = PolicyWatch(observing=ground.policy.observing(), writer=database.writer, node=lambda: database.node)
    pipeline.aside = watch.observing.saw
    database.feed.subscribe(watch.follow, watch.reload)
    database.reader.read(watch.reload)
    return watch


def _among_nodes(ground: Ground, governance: Later[Governance]) -> Nodes:
    """This node among the others: it settles what dead ones left."""

    def replay(tx: Transaction, uses: Sequence[Mapping[str, Any]]) -> None:
        governance.load().certifying.service.replay_uses(tx, uses)

    return Nodes(
        data=ground.settings.data, database=ground.database, records=ground.records, clock=ground.clock,
        replay=replay,
    )  # fmt: skip


def _governance(ground: Ground, outbound: Outbound, life: Life, changed: Changed) -> Governance:
    from remit.server.compose_governance import govern  # noqa: PLC0415 - a sixth of a server; nothing is due at once

    return govern(ground, outbound, here=life.nodes, changed=changed, loop=lambda: life.loop)


def _points(ground: Ground, pipeline: Pipeline, watch: PolicyWatch, checker: TokenChecker) -> Points:
    log, questions = Log(ground.database.reader, ground.keys), _questions(ground, pipeline, checker)
    questions.own_types.aside = watch.observing.judged
    return Points(
        pipeline=pipeline, questions=questions,
        header=lambda decision: log.find(decision).header, clock=ground.clock, docs=ground.base + ERRORS,
        node=lambda: ground.database.node,
    )  # fmt: skip


def _questions(ground: Ground, pipeline: Pipeline, checker: TokenChecker) -> Questions:
    own_types = OwnTypes(answers=pipeline.answers, judges=ground.policy, docs=ground.base + ERRORS)
    return Questions(
        purposes=ground.policy.purposes, judges=ground.policy, own_types=own_types, base=ground.base,
        shown=Shown(checker, ground.base, ground.clock),
    )  # fmt: skip


def _evaluation(ground: Ground, gate: Gate) -> PointsOrAgents:
    searching = Searching(
        answers=gate.life.pipeline.answers, own_types=_questions(ground, gate.life.pipeline, gate.checker).own_types,
        candidates=Candidates(judges=ground.policy, purposes=ground.policy.purposes),
        tokens=search_tokens.Tokens(ground.keys.derive(search_tokens.LABEL)),
    )  # fmt: skip
    points = Evaluation(
        keeper=ground.gatekeeper, points=gate.points, batches=Batches(gate.points), searching=searching,
        body_limit=ground.settings.body_limit,
    )  # fmt: skip
    agents = SelfEvaluation(
        me=me(ground, gate, EVALUATION, "POST"), points=gate.points, facts=ground.facts,
        body_limit=ground.settings.body_limit,
    )  # fmt: skip
    return PointsOrAgents(points, agents)


def _streams(ground: Ground, pipeline: Pipeline) -> Streams:
    revoked = revoked_in(ground)
    again, frozen = with_tokens(revoked, pipeline.again), with_tokens(revoked, pipeline.frozen)
    streams = Streams(again, pipeline.epoch, frozen, shared=ground.database.peers.shared)
    ground.database.feed.subscribe(lambda _epoch, topics, _connection: streams.changed(topics))
    return streams


def _own(base: str, listener: tuple[str, int]) -> frozenset[Endpoint]:
    """Remit's own listener, which is nobody's upstream server."""
    return frozenset({endpoint(base), Endpoint(*listener)})


def _confirmed(ground: Ground, pipeline: Pipeline, arrivals: Arrivals) -> Acknowledgements:
    """Which enforcement points have applied which state; the writer waits for those that hold a change up."""
    confirmed = Acknowledgements(
        names=lambda: [each.point.name for each in ground.gatekeeper.listing()], epoch=pipeline.epoch,
        current=lambda: ground.facts.view().fresh(ground.clock.now()), told=arrivals.confirmed,
    )  # fmt: skip
    ground.database.writer.held = confirmed.held
    return confirmed


def _routes(ground: Ground, gate: Gate, tokens: TokenService) -> list[Route]:
    """What agents, their clients, enforcement points and orchestrators ask, and no hot path answers."""
    stream = EnforcementStream(
        points=ground.gatekeeper, announcer=gate.life.announcer, acknowledgements=gate.confirmed,
        epoch=gate.life.pipeline.epoch,
    )  # fmt: skip
    return [
        *tokens_http.routes(tokens, consent_page=AUTHORIZE),
        *tokens_http.status_routes(token_status(ground, gate.checker, tokens)),
        discovery(ground.base, ground.keys.token_keys),
        *me_mandate.routes(mandate_of(ground, gate)),
        *me_whoami.routes(whoami_of(ground, gate)),
        *stream.routes(),
        *http_ready.routes(gate.health, gate.metrics.registry),
    ]


def _proxy(ground: Ground, gate: Gate, http: HttpGateway) -> ProxyServer | None:
    from remit.server.compose_proxy import forward_proxy  # noqa: PLC0415 - certificates take long to load, and few need it

    return forward_proxy(ground, gate, http)


def _api(ground: Ground, gate: Gate) -> ASGIApp:
    """Everything else, which people and their tools ask."""
    from remit.server.compose_api import api  # noqa: PLC0415 - a quarter of what a server loads; see there

    return api(ground, gate)


def _front(ground: Ground, gate: Gate, tokens: TokenService, http: ASGIApp, router: ASGIApp) -> App:
    """What answers before any router: the gateway, dry runs, evaluations and the token endpoint."""
    base, limit = ground.base, ground.settings.body_limit
    me_can = MeCan(me=me(ground, gate, ME_CAN, "POST"), policy=ground.policy, body_limit=limit)
    evaluation = _evaluation(ground, gate)
    requests = request_service(ground, lambda: gate.governance.load().hands)
    proxies = ground.settings.trusted_proxies
    return App(
        place=Place(base), http=http, ext_authz=ext_authz(ground, gate),
        gateway=gate.gateway, me_can=me_can, evaluation=evaluation,
        requests=access_requests(ground, requests, me(ground, gate, binding.PATH, "POST")),
        token=rest.Guarded(tokens_http.TokenEndpoint(tokens)), rest=router,
        proxies=trusted(proxies) if proxies else None, nonces=header(nonces_of(ground), ground.clock),
        shedding=shedding(ground, gate),
    )  # fmt: skip
