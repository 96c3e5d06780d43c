"""Puts the forward proxy together, beside the gateways and over the same pipeline; only where it is switched on."""

from __future__ import annotations

from functools import partial

from remit.attestation.model import Caller
from remit.catalog.model import Server
from remit.enforcement.forward_proxy import ForwardProxy
from remit.enforcement.http import HttpGateway
from remit.enforcement.placeholder import LABEL, Placeholders
from remit.enforcement.proxy_door import ProxyDoor
from remit.enforcement.proxy_intercept import Intercept
from remit.enforcement.proxy_targets import Targets
from remit.enforcement.proxy_tunnel import Tunnel
from remit.kernel.names import split_action
from remit.keys import interception
from remit.keys.interception import Authority
from remit.outbound.model import Endpoint
from remit.server.compose_identity import nonces_of
from remit.server.gate import Gate
from remit.server.ground import Ground
from remit.server.life import Life
from remit.server.local_proxy import LocalProxy
from remit.server.proxy import ProxyServer
from remit.server.shed_record import ShedRecord
from remit.tokens.nonce import NonceUse


def authority(ground: Ground) -> Authority:
    """What signs in the place of intercepted servers."""
    return Authority(ground.keys.derive(interception.LABEL))


def forward_proxy(ground: Ground, gate: Gate, gateway: HttpGateway) -> ProxyServer | None:
    """The proxy and its listener; None where it is off."""
    at = ground.settings.proxy
    if at is None:
        return None
    life = gate.life
    pipeline = life.pipeline
    serving = ProxyServer(host=at[0], port=at[1], drain=ground.settings.drain, opened=partial(_own, life))
    targets = Targets(ground.servers, lambda: ground.facts.view().epoch)
    signer, placeholders = authority(ground), Placeholders(ground.keys.derive(LABEL))
    nonces = nonces_of(ground)

    def visible(caller: Caller, server: Server) -> bool:
        actions = ground.policy.shown(ground.facts.view(), caller)
        return server.observed or any(split_action(action)[0] == server.server for action in actions)

    def nonce() -> str | None:
        return nonces.current(ground.clock.now()) if nonces.use is NonceUse.BOTH else None

    intercept = Intercept(
        authority=signer, gateway=gateway, pipeline=pipeline, targets=targets, placeholders=placeholders,
        protocol=serving.protocol, clock=ground.clock,
    )  # fmt: skip
    serving.proxy = ForwardProxy(
        door=ProxyDoor(ground.base, gate.checker, ground.clock), pipeline=pipeline, targets=targets,
        tunnel=Tunnel(pipeline=pipeline, streams=life.streams, dialer=life.outbound), intercept=intercept,
        visible=visible, protocol=serving.protocol, nonce=nonce, handed_over=serving.handed_over,
    )  # fmt: skip
    crowds = ShedRecord(lanes=(serving.proxy.places,), writer=ground.database.writer, records=ground.records)
    life.more.append(crowds.run)
    serving.local = LocalProxy(
        url=lambda: serving.url, ca=signer.pem, placeholders=placeholders, view=ground.facts.view
    )
    return serving


def _own(life: Life, listener: tuple[str, int]) -> None:
    """The proxy's own listener is nobody's upstream server either."""
    life.outbound.refuse = life.outbound.refuse | {Endpoint(*listener)}
