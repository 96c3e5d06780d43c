"""The part of the composition root that leads to registered servers: over HTTP, and to those that are commands."""

from __future__ import annotations

import os

from remit.catalog.service import CatalogService
from remit.enforcement.model import Limits
from remit.enforcement.pipeline import Pipeline
from remit.enforcement.stdio.children import Children
from remit.enforcement.stdio.upstream import StdioUpstream
from remit.enforcement.streams import with_tokens
from remit.enforcement.upstream import HttpUpstream
from remit.enforcement.upstreams import Upstreams
from remit.freezes.model import FreezeKind
from remit.outbound.session import Outbound
from remit.server.compose_identity import revoked_in
from remit.server.ground import Ground
from remit.vault.lends import Lends

_LANG = "C.UTF-8"


def commands(ground: Ground, pipeline: Pipeline, limits: Limits, lends: Lends) -> Children:
    """The commands that run, told of every change. What they get of this process's environment is PATH and LANG."""
    environ = {"PATH": os.environ.get("PATH", os.defpath), "LANG": os.environ.get("LANG", _LANG)}
    children = Children(
        folder=ground.settings.data.absolute() / "commands", environ=environ, secrets=ground.vault,
        again=with_tokens(revoked_in(ground), pipeline.again), server=lambda name: ground.facts.view().server(name),
        line=limits.response, made=ground.vault.uses.made, lends=lends, exposed=ground.vault.exposed,
    )  # fmt: skip
    ground.database.feed.subscribe(lambda _epoch, _topics, _connection: children.changed())
    return children


def upstreams(
    ground: Ground, outbound: Outbound, children: Children, catalog: CatalogService, limits: Limits
) -> Upstreams:
    """The way to any registered server."""

    def frozen(secret: str) -> bool:
        return (FreezeKind.CREDENTIAL.value, secret) in ground.facts.view().freezes

    return Upstreams(
        HttpUpstream(outbound, ground.vault, limits, frozen=frozen, made=ground.vault.uses.made),
        StdioUpstream(children, ground.vault, limits, frozen=frozen, tell=catalog.observe),
    )
