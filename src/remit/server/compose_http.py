"""Puts the HTTP gateway together, beside the MCP gateway and over the same pipeline."""

from __future__ import annotations

from collections.abc import Callable

from remit.catalog.model import Server
from remit.enforcement.door import Door
from remit.enforcement.ext_authz import EnvoyRelay, ExtAuthz
from remit.enforcement.http import Argued, Grants, HttpGateway
from remit.enforcement.http_relay import HttpRelay
from remit.enforcement.http_upstream import HttpUpstream
from remit.enforcement.model import Limits
from remit.freezes.model import FreezeKind
from remit.policy.argued import argued
from remit.policy.visible import live
from remit.server.compose_connecting import post
from remit.server.gate import Gate
from remit.server.ground import Ground
from remit.vault.client_tokens import ClientTokens
from remit.vault.injecting import Injector


def http_gateway(ground: Ground, gate: Gate) -> HttpGateway:
    """The gateway of HTTP servers."""
    life, limits = gate.life, Limits(request=ground.settings.body_limit)
    upstream = HttpUpstream(
        life.outbound, injector(ground, gate), limits, frozen=_frozen(ground), made=ground.vault.uses.made
    )
    return HttpGateway(
        door=Door(ground.base, gate.checker, ground.clock, ground.vault.carries), pipeline=life.pipeline,
        relay=HttpRelay(life.pipeline, upstream, life.streams),
        servers=lambda name: ground.facts.view().server(name), grants=_grants(ground), argued=_argued(ground),
        limits=limits,
    )  # fmt: skip


def ext_authz(ground: Ground, gate: Gate) -> ExtAuthz:
    """Who answers Envoy, by the same reading and the same decision as the gateway."""

    def servers(name: str) -> Server | None:
        return ground.facts.view().server(name)

    life, limits = gate.life, Limits(request=ground.settings.body_limit)
    door = Door(ground.base, gate.checker, ground.clock, ground.vault.carries)
    relay = EnvoyRelay(life.pipeline, injector(ground, gate), frozen=_frozen(ground), made=ground.vault.uses.made)
    gateway = HttpGateway(
        door=door, pipeline=life.pipeline, relay=relay, servers=servers, grants=_grants(ground),
        argued=_argued(ground), limits=limits,
    )  # fmt: skip
    return ExtAuthz(
        point=ground.gatekeeper.point, tokens=gate.checker, gateway=gateway, door=door, pipeline=life.pipeline,
        servers=servers, clock=ground.clock,
    )  # fmt: skip


def _grants(ground: Ground) -> Grants:
    return lambda caller, action: live(ground.facts.view(), caller, action, now=ground.clock.now())


def _argued(ground: Ground) -> Argued:
    return lambda caller, action: argued(ground.facts.view(), caller, action)


def _frozen(ground: Ground) -> Callable[[str], bool]:
    kind = FreezeKind.CREDENTIAL.value  # looked up once, and not at each call
    return lambda secret: (kind, secret) in ground.facts.view().freezes


def injector(ground: Ground, gate: Gate) -> Injector:
    """What puts the vault's credentials into requests."""
    tokens = ClientTokens(post(gate.life.outbound), ground.clock)
    people = gate.connecting
    vault = ground.vault
    return Injector(
        vault.lend_for,
        tokens,
        ground.clock,
        users=people.users,
        behind=people.behind,
        seen=vault.came_back,
        lends=gate.leasing,
    )
