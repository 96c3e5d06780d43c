"""The part of the composition root that people and their tools ask: `/v1`, the console, what is published.

Loaded with the first request for any of it, or right after the start (`later`): no agent's call needs it. Nothing in
here may follow the feed, or run in the background: what does is put together before the server is ready.
"""

from __future__ import annotations

from starlette.routing import Router

from remit.access.activation_seal import UNSEALED
from remit.access.sql import SqlBoundaries
from remit.audit import http as audit_http
from remit.audit.finding import Finder
from remit.audit.log import Log
from remit.audit.proving import Proving
from remit.certification.posture.report import PostureReport
from remit.certification.usage.observed_sql import SqlObservedUses
from remit.certification.usage.shadowing import Shadowing
from remit.freezes.containment import Containment
from remit.freezes.service import FreezeService
from remit.kernel.clock import Micros
from remit.kernel.names import BoundaryName
from remit.people.service import PeopleService
from remit.policy.files import PolicyFiles
from remit.server import compose_proxy, http_ssf, nodes, published, rest
from remit.server.accountable import Accountable
from remit.server.apply import Applier
from remit.server.compose_exposure import exposure_doors
from remit.server.compose_governance import Governance, key_changes, rekeying
from remit.server.compose_identity import whoami
from remit.server.compose_leasing import lease_changes
from remit.server.compose_requests import request_service
from remit.server.compose_rotations import rotations
from remit.server.compose_secrets import Both, secret_owners, secrets
from remit.server.compose_signing import sessions, signing
from remit.server.console_desk import DoorDesk
from remit.server.console_sessions import SessionDoors
from remit.server.door import Door, Porch
from remit.server.first_words import ERASURES
from remit.server.gate import Gate
from remit.server.ground import Ground
from remit.server.http_activations import Activations
from remit.server.http_apply import Applying
from remit.server.http_approvals import ApprovalDoors
from remit.server.http_breakglass import BreakGlassDoors
from remit.server.http_connections import Connections
from remit.server.http_consents import ConsentDoors
from remit.server.http_console import ConsoleDoors
from remit.server.http_coverage import CoverageDoors
from remit.server.http_decisions import Decisions
from remit.server.http_delegations import Delegations
from remit.server.http_entries import Entries
from remit.server.http_erasure import Erasure
from remit.server.http_freezes import Freezes
from remit.server.http_health import Doctor
from remit.server.http_keys import KeyDoors
from remit.server.http_leases import LeaseDoors
from remit.server.http_limits import Limits
from remit.server.http_mandates import MandateDoors
from remit.server.http_now import NowDoors
from remit.server.http_operators import OperatorTokens
from remit.server.http_peps import EnforcementPoints
from remit.server.http_policies import Policies
from remit.server.http_policy_check import PolicyCheck
from remit.server.http_policy_diff import PolicyDiff
from remit.server.http_posture import PostureDoors
from remit.server.http_proxy import ProxyDoors
from remit.server.http_registry import Registry
from remit.server.http_rekey import RekeyDoors
from remit.server.http_reviews import Reviews
from remit.server.http_rightsize import Rightsizing
from remit.server.http_roster import RosterDoors
from remit.server.http_rotations import RotationDoors
from remit.server.http_runs import Runs
from remit.server.http_servers import Servers
from remit.server.http_signals import Signals
from remit.server.http_simulate import Simulating
from remit.server.http_systems import SystemDoors
from remit.server.http_trusts import TrustDoors
from remit.server.http_usage import UsageDoors
from remit.server.http_who import Who
from remit.server.http_whoami import WhoamiDoors
from remit.server.http_withdrawals import Withdrawals
from remit.server.http_words import Words
from remit.server.operators import Authority
from remit.server.policy_life import PolicyLife
from remit.server.refused_doors import RefusedDoors
from remit.server.seconding import Seconding
from remit.server.stops import Stops
from remit.server.stored import StoredFacts
from remit.storage.ports import Reader
from remit.tokens.refusals import Refusals
from remit.vault.document_sql import SecretDocuments

_SPREAD = 1.0  # seconds that a freeze waits for the other nodes to confirm it, before it says who has not


def api(ground: Ground, gate: Gate) -> Router:
    """Their doors and pages, over what is put together already."""
    writer, reader, records, clock = ground.database.writer, ground.database.reader, ground.records, ground.clock
    accountable, authority, log = Accountable(reader), Authority.shipped(), Log(reader, ground.keys)
    governance = gate.governance.load()
    freezes = FreezeService(writer=writer, reader=reader, records=records, clock=clock, secrets=ground.vault)
    frozen = Freezes(
        freezes=freezes, stops=_stops(ground, gate, freezes), accountable=accountable, authority=authority,
        writer=writer, reader=reader, records=records, clock=clock,
    )  # fmt: skip
    console = _console(ground, gate, accountable, authority)
    consents = ConsentDoors(consenting=gate.consenting, sessions=console.sessions, authority=authority, clock=clock)
    connections = Connections(connecting=gate.connecting, sessions=console.sessions, authority=authority)
    doors = [
        *connections.doors(),
        *_registered(ground, gate, governance, accountable, authority),
        *frozen.doors(),
        *console.doors(),
        *consents.doors(),
        *_tried_out(ground, log),
        *Words(writer=writer, reader=reader, records=records, authority=authority, clock=clock).doors(),
        *Who(policy=ground.policy, authority=authority).doors(),
        *Decisions(policy=ground.policy, log=log, accountable=accountable).doors(),
        *Entries(log=log, finder=Finder(reader), proving=Proving(reader, log)).doors(),
        *Runs(reader=reader, finder=Finder(reader), clock=clock).doors(),
        *MandateDoors(mandates=gate.mandates, accountable=accountable).doors(),
        *ProxyDoors(authority=lambda: compose_proxy.authority(ground)).doors(),
        *_activations(ground, governance, accountable, log).doors(),
        *_governed(ground, governance, accountable, authority, log),
        *_seen(ground, gate),
        *_administered(ground, gate, governance, console),
    ]
    settings = ground.settings
    porch = Porch(
        keeper=ground.keeper, authority=authority, body_limit=settings.body_limit, dev=settings.dev,
        noted=RefusedDoors(Refusals(ground.database.writer, ground.records), ground.clock).note,
    )  # fmt: skip
    return Router(
        [
            *(porch.route(door) for door in doors),
            *audit_http.routes(log, ground.states, lambda request, action: rest.authorize(porch, request, action)),
            *console.routes(DoorDesk(doors, authority, porch.noted), porch.noted),
            *consents.routes(),
            *connections.routes(),
            *published.routes(doors),
            *http_ssf.routes(ground.keys.set_keys),
        ]
    )


def _tried_out(ground: Ground, log: Log) -> list[Door]:
    """What a change of policies or boundaries would do."""
    policy, engine, reader, clock = ground.policy, ground.engine, ground.database.reader, ground.clock
    return [
        *PolicyDiff(policy=policy, engine=engine, reader=reader, clock=clock).doors(),
        *PolicyCheck(policy=policy, engine=engine, reader=reader, clock=clock).doors(),
        *Simulating(
            log=log, reader=reader, view=ground.facts.view, source=StoredFacts(UNSEALED), engine=engine,
            mac=ground.records.mac,
        ).doors(),
    ]  # fmt: skip


def _seen(ground: Ground, gate: Gate) -> list[Door]:
    """What people look at first: what goes on now, and every agent with what it uses."""
    reader, clock, view = ground.database.reader, ground.clock, ground.facts.view
    streams, points = gate.life.streams, gate.confirmed
    return [
        *NowDoors(pace=gate.metrics.pace, calls=streams.calls, points=points.connected, clock=clock).doors(),
        *RosterDoors(view=view, reader=reader, report=PostureReport(reader=reader, clock=clock), clock=clock).doors(),
    ]


def _stops(ground: Ground, gate: Gate, freezes: FreezeService) -> Stops:
    announcer, peers, confirmed = gate.life.announcer, ground.database.peers, gate.confirmed

    def contained(freeze: str) -> Containment:
        return nodes.contained(peers, confirmed, epoch=announcer.began(freeze))

    return Stops(freezes, gate.life.streams.cut_by, contained, lambda so: peers.wait(so, _SPREAD), gate.arrivals.of)


def _console(ground: Ground, gate: Gate, accountable: Accountable, authority: Authority) -> ConsoleDoors:
    kept = sessions(ground, gate.provider)
    return ConsoleDoors(
        base=ground.base, dev=ground.settings.dev, view=ground.facts.view, reader=ground.database.reader,
        sessions=kept, clock=ground.clock, accountable=accountable, authority=authority,
        signing=signing(ground, kept, gate.provider),
    )  # fmt: skip


def _activations(ground: Ground, governance: Governance, accountable: Accountable, log: Log) -> Activations:
    return Activations(
        view=ground.facts.view, policy=ground.policy, hands=governance.hands, service=governance.certifying.service,
        agents=governance.agents, log=log, coverage=ground.coverage, clock=ground.clock, accountable=accountable,
        writer=ground.database.writer, reader=ground.database.reader,
    )  # fmt: skip


def _registered(
    ground: Ground, gate: Gate, governance: Governance, accountable: Accountable, authority: Authority
) -> list[Door]:
    """What there is: people, agents, boundaries, servers and their secrets."""
    writer, reader, records, clock = ground.database.writer, ground.database.reader, ground.records, ground.clock
    agents, access = governance.agents, governance.access
    owners = secret_owners(ground)
    people = PeopleService(writer=writer, reader=reader, records=records, suspender=Both(agents, owners))
    applier = Applier(
        writer=writer, reader=reader, clock=clock, people=people, agents=agents, catalog=gate.catalog, access=access,
        policies=PolicyFiles(reader=reader, records=records), checker=ground.policy, lister=gate.reach,
        records=records, secrets=SecretDocuments(records, clock, owners.passed_on),
    )  # fmt: skip
    return [
        *Registry(
            people=people, agents=agents, access=access, accountable=accountable, authority=authority
        ).doors(),
        *Erasure(
            agents=agents,
            requests=request_service(ground, lambda: governance.hands),
            seconding=Seconding(
                writer=writer, records=records, clock=clock, kind=ERASURES, what="agent", told="agents"
            ),
        ).doors(),
        *Servers(catalog=gate.catalog).doors(),
        *_policies(ground, gate, authority).doors(),
        *exposure_doors(ground, agents),
        *secrets(ground, gate, Log(reader, ground.keys)).doors(),
        *LeaseDoors(vault=ground.vault, leases=lease_changes(ground), writer=writer, reader=reader).doors(),
        *RotationDoors(vault=ground.vault, rotations=rotations(ground), writer=writer, reader=reader).doors(),
        *Applying(
            applier=applier, access=access, accountable=accountable, authority=authority, clock=clock
        ).doors(),
    ]  # fmt: skip


def _policies(ground: Ground, gate: Gate, authority: Authority) -> Policies:
    database, records, clock = ground.database, ground.records, ground.clock
    files = PolicyFiles(reader=database.reader, records=records)
    life = PolicyLife(
        writer=database.writer, reader=database.reader, records=records, clock=clock, files=files,
        checker=ground.policy, watch=gate.watch,
    )  # fmt: skip
    return Policies(view=ground.facts.view, life=life, clock=clock, authority=authority)


def _governed(
    ground: Ground, governance: Governance, accountable: Accountable, authority: Authority, log: Log
) -> list[Door]:
    """What certifies access, asks people and takes away."""
    writer, reader, clock = ground.database.writer, ground.database.reader, ground.clock
    return [
        *Signals(agents=governance.agents, accountable=accountable).doors(),
        *Delegations(agents=governance.agents, reader=reader, clock=clock).doors(),
        *Limits(agents=governance.agents, view=ground.facts.view, reader=reader, clock=clock).doors(),
        *UsageDoors(
            usage=governance.usage, known=governance.sources,
            shadowing=Shadowing(
                writer=writer, reader=reader, records=ground.records, clock=clock, view=ground.facts.view, log=log
            ),
        ).doors(),
        *CoverageDoors(view=ground.facts.view, log=log, clock=clock).doors(),
        *PostureDoors(report=PostureReport(reader=reader, clock=clock), clock=clock).doors(),
        *ApprovalDoors(
            requests=request_service(ground, lambda: governance.hands), policy=ground.policy, accountable=accountable,
            authority=authority, clock=clock,
        ).doors(),
        *BreakGlassDoors(breakglass=governance.breakglass, accountable=accountable, clock=clock).doors(),
        *Reviews(reviews=governance.reviews, authority=authority).doors(),
        *Rightsizing(
            view=ground.facts.view, log=log, uses=SqlObservedUses(reader), clock=clock, accountable=accountable,
            reviewed=lambda name: _reviewed(reader, name),
        ).doors(),
        *SystemDoors(writer=writer, records=ground.records, directory=ground.systems).doors(),
        *Withdrawals(reader=reader, clock=clock).doors(),
    ]  # fmt: skip


def _administered(ground: Ground, gate: Gate, governance: Governance, console: ConsoleDoors) -> list[Door]:
    """What the server itself stands on: whom it believes, its keys, its tokens, its health."""
    writer, records, clock, database = ground.database.writer, ground.records, ground.clock, ground.database
    life, trusting = gate.life, gate.trusting
    return [
        *TrustDoors(
            base=ground.base, writer=writer, records=records, known=trusting.trusts, keys=trusting.keys, clock=clock
        ).doors(),
        *KeyDoors(ring=ground.keys, changes=key_changes(ground)).doors(),
        *RekeyDoors(rekeying=rekeying(ground)).doors(),
        *WhoamiDoors(
            whoami=whoami(ground),
            checker=gate.checker, accountable=Accountable(database.reader), clock=clock,
        ).doors(),
        *EnforcementPoints(writer=writer, records=records, keeper=ground.gatekeeper, clock=clock).doors(),
        *OperatorTokens(
            writer=writer, records=records, keeper=ground.keeper, clock=clock, sessions=console.sessions
        ).doors(),
        *SessionDoors(
            sessions=console.sessions, provider=ground.settings.sign_in,
            failure=lambda: "" if gate.provider is None else gate.provider.failure,
        ).doors(),
        *Doctor(
            settings=ground.settings, database=database, keys=ground.keys, clock=clock, agents=governance.agents,
            access=governance.access, catalog=gate.catalog, refresher=life.refresher,
            log_failure=lambda: life.sequencer.failure, states=ground.states, sources=governance.sources,
            vault=ground.vault,
        ).doors(),
    ]  # fmt: skip


def _reviewed(reader: Reader, name: BoundaryName) -> Micros | None:
    """How often a boundary is looked at, where its document says so."""
    active = reader.read(lambda connection: SqlBoundaries(connection).history(name)).active
    return None if active is None else active.draft.review_every
