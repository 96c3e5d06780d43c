"""Who may call what is dangerous: each sensitive name with the only modules of Remit that may use it.

Read from the code: an attribute of that name (`x.reveal`, called or handed on; `writer.change` for
one of something called `writer` or `_writer`), an import of it, or a call of a builtin. The table
fails both ways: for a use that it does not list, and for a permission that nobody needs any more.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
NOBODY: frozenset[str] = frozenset()

SERVICES = {
    "access.service", "agents.service", "audit.indexing", "audit.recovery", "audit.sequencer", "catalog.service",
    "certification.breakglass", "certification.doubting", "certification.grouping", "certification.hands",
    "certification.noticing.credentials",
    "certification.noticing.own_signals", "certification.noticing.toxic", "certification.posture.snapshot",
    "certification.service", "certification.usage.importing", "certification.usage.listening",
    "certification.usage.shadowing", "certification.usage.sources", "certification.withdrawal.withdrawing",
    "freezes.service", "people.service",
    "requests.service", "reviews.acknowledging", "reviews.answering", "reviews.carrying", "reviews.service",
    "reviews.terms", "reviews.undoing",
    "server.apply", "server.http_activations", "server.http_freezes", "server.http_operators", "server.http_peps",
    "server.http_secrets", "server.http_systems", "server.http_trusts", "server.http_words", "server.key_changes",
    "server.http_leases", "server.http_rotations", "server.leasing", "server.revoking",
    "server.lending", "server.life", "server.nodes", "server.notifying", "server.opening", "server.policy_life",
    "server.policy_watch", "server.rekeying",
    "server.rewrap", "server.runaway", "server.seconding", "server.state", "storage.database", "tokens.authorizing",
    "server.rotating",
    "server.exposing", "server.keeping_uses",
    "tokens.consents", "tokens.elsewhere", "tokens.service", "tokens.status",
}  # fmt: skip
# name, or receiver.name -> the modules that may use it (below `remit.`)
MAY_CALL: dict[str, Iterable[str]] = {
    # The value of a secret: the keyfile's key, the root key, an upstream credential.
    "reveal": {
        "keys.derive",
        "keys.keyfile",
        "keys.passphrase",
        "keys.roots",
        "keys.service",  # what other keys are derived from, to be kept under a new root
        "server.leasing",
        "vault.connections",
        "vault.injecting",
        "vault.makers.postgres",
        "vault.model",
        "vault.rotators.aws_query",
        "vault.rotators.postgres",
        "vault.service",
        "vault.versions",
    },
    # A secret as it is, for what puts it into a request to an API, or to an authorization server as its client.
    "lend_for": {"server.compose_connecting", "server.compose_http", "vault.service"},
    "lend": {
        "enforcement.stdio.children",
        "server.compose_rotators",
        "server.connecting",
        "vault.injecting",
        "vault.service",
    },
    "inject": {"enforcement.ext_authz", "enforcement.http_upstream"},
    # Opening what is sealed; the cipher itself has one wrapper.
    "unseal": {
        "audit.contents",
        "audit.log",
        "audit.opened",
        "audit.seal",
        "enforcement.search_tokens",  # a page's token of its own making, under a key for nothing else
        "enforcement.states",
        "keys.offline",
        "keys.rekey",
        "keys.service",
        "keys.signing",
        "requests.sealed",
        "vault.connections",
        "vault.service",
    },
    "unseal_bytes": {"keys.envelope", "keys.keyfile", "keys.passphrase"},
    "unwrap": {"keys.offline", "keys.pkcs11", "keys.roots", "keys.transit"},
    "AESGCM": {"keys.seal"},
    # The keys under which payloads and secrets are sealed.
    "data_key": {
        "audit.log",
        "audit.service",
        "audit.source_offline",
        "keys.offline",  # what other keys are derived from
        "keys.service",
        "requests.sealed",
        "server.simulating",
        "vault.connections",
        "vault.service",
    },
    "load_data_key": {"audit.log"},
    # What it sealed is never read again.
    "erase_data_key": {"agents.service", "vault.connections", "vault.versions"},
    "erase_within": {"server.http_erasure"},
    "ensure_data_key": {"agents.service", "vault.connections", "vault.versions"},
    "derive": {
        "audit.service",
        "audit.source_offline",
        "audit.states",
        "keys.derive",
        "keys.offline",
        "keys.passphrase",  # Argon2id's own method
        "keys.roots",
        "keys.service",
        "server.compose",  # what binds a denial to its call
        "server.compose_governance",
        "server.compose_proxy",  # the proxy's authority, and what its placeholders are made with
        "server.state",
    },
    # Private keys, and signing: tokens by the token service, checkpoints by the sequencer, proofs by the SDK,
    # events by what tells other systems.
    "private_key": {"attestation.service", "keys.jose", "keys.set_key", "keys.signing"},
    "generate_set_key": {"keys.signing"},  # takes long: made before a change, never within one
    "sign": {
        "audit.sequencer",
        "keys.interception",
        "keys.jose",
        "keys.jwk",
        "keys.model",
        "keys.security_event",
        "keys.set_key",
        "sdk.grant",
        "sdk.keyfile",
        "server.authzen_metadata",
        "server.me_mandate",
        "tokens.service",
    },
    "log_key": {"audit.log", "audit.sequencer", "keys.service"},
    "keys.active": {
        "connectors.told",
        "server.authzen_metadata",
        "server.me_mandate",
        "server.notifying",
        "tokens.service",
    },
    # An upstream credential leaves the vault in one place, on its way out.
    "scanner": {
        "enforcement.stdio.children",
        "enforcement.stdio.upstream",
        "enforcement.upstream",
        "vault.service",
    },
    # Into a command's environment; nowhere else.
    "secrets.variable": {"enforcement.stdio.children"},
    # A decision is proposed by one function and made durable by one pipeline.
    "decide": {
        "enforcement.pipeline",
        "policy.mandate",
        "policy.observing",
        "policy.replay",
        "policy.service",
        "server.policy_trial",
        "policy.boundary_flips",
        "policy.widen_search",
        "server.compose_leasing",
        "policy.remedied",
    },
    "admit": {
        "enforcement.asks",
        "enforcement.http",
        "enforcement.mcp",
        "enforcement.points",
        "enforcement.proxy_tunnel",
    },
    "submit_async": {
        "enforcement.answers",
        "enforcement.doorstep",
        "enforcement.doubts",
        "enforcement.passing",
        "enforcement.pipeline",
        "server.me",
        "server.shed_record",
        "tokens.service",
    },
    "writer.submit": {"tokens.refusals"},
    # State changes: services, and the few endpoints whose state has no room of its own.
    "writer.change": SERVICES,
    # The way out: one client, one connector, one look-up of names.
    "ClientSession": set(),  # it follows redirects, keeps cookies and reads the environment
    "TCPConnector": {"outbound.pool"},
    "Outbound": {
        "keys.transit_wire",  # before there is a server, or a loop
        "outbound.fetch",
        "server.asking_provider",  # where people sign in
        "server.compose",
        "server.compose_commands",
        "server.compose_connecting",
        "server.compose_governance",
        "server.compose_leasing",
        "server.compose_rotating",
        "server.consenting",
        "server.life",
        "server.notifying",
        "server.to_providers",
        "server.trusting",
    },
    "HTTPConnection": {"cli.wire", "demo.stage"},
    "HTTPSConnection": {"cli.wire"},
    "getaddrinfo": {"outbound.resolve", "server.run"},
    "open_connection": {"outbound.dial", "runner.proxy_upstream", "runner.upstream"},
    "open_unix_connection": {"runner.session"},
    "create_connection": NOBODY,
    "urlopen": NOBODY,
    # Databases are opened by storage, and by the verifier that trusts no server; an estate and the past are in memory.
    "create_engine": {
        "audit.source_offline",
        "certification.estate.plain",
        "policy.history",
        "storage.database",
        "storage.memory",
        "storage.postgres",
        "storage.sqlite",
    },
    # What the kernel is told of this process's memory.
    "harden": {"server.rewrap", "server.run"},
    # Processes are started by the demo, by `remit run`, for servers that are commands. Code is made of text by nobody.
    "Popen": {"demo.processes", "demo.stage", "runner.child"},
    "create_subprocess_exec": {"enforcement.stdio.process"},  # servers that are commands
    "create_subprocess_shell": NOBODY,
    "os.system": NOBODY,
    "pickle": NOBODY,
    "import_module": NOBODY,
    "builtins.eval": NOBODY,
    "builtins.exec": NOBODY,
    "builtins.compile": NOBODY,
    "builtins.__import__": NOBODY,
    # The wall clock is read in one place; ids carry the time they were made at.
    "time_ns": {"kernel.clock", "kernel.names"},
    "utcnow": NOBODY,
    "today": NOBODY,
    # A token of an operator is made where its hash is stored.
    "ensure_admin": {"server.state"},
}


def uses(source: str) -> set[str]:
    """The names that a module refers to as an attribute, by import, or call without a receiver."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=of, attr=name):
                found |= {name, f"{_last_name(of)}.{name}"}
            case ast.ImportFrom(module=of, names=aliases):
                found |= {alias.name for alias in aliases} | {f"{of}.{alias.name}" for alias in aliases}
            case ast.Import(names=aliases):
                found |= {alias.name.rpartition(".")[2] for alias in aliases}
            case ast.Call(func=ast.Name(id=name)):
                found.add(f"builtins.{name}")
    return found


def _last_name(of: ast.expr) -> str:
    name = of.id if isinstance(of, ast.Name) else getattr(of, "attr", "")
    return str(name).lstrip("_")


@cache  # for the first test that asks, not for everybody who collects tests
def callers(root: Path) -> dict[str, set[str]]:
    """Every used name with the modules that use it."""
    found: dict[str, set[str]] = {}
    for path in root.rglob("*.py"):
        module = ".".join(path.relative_to(root / "remit").with_suffix("").parts)
        for name in uses(path.read_text(encoding="utf-8")):
            found.setdefault(name, set()).add(module)
    return found


@pytest.mark.parametrize("name", sorted(MAY_CALL))
def test_only_the_listed_modules_use_it(name: str) -> None:
    assert callers(SRC).get(name, set()) == set(MAY_CALL[name])


def test_a_room_that_only_asks_writes_nothing() -> None:
    """`writer.change` is for services, the token endpoint, the log and the composition; never for enforcement."""
    rooms = {module.partition(".")[0] for module in callers(SRC)["writer.change"]}
    assert rooms.isdisjoint({"enforcement", "vault", "attestation", "outbound", "keys", "sdk", "cli", "demo"})


@pytest.mark.parametrize(
    "line",
    [
        "x = key.reveal()",
        "f = key.reveal",
        "from a.b import reveal",
        "import a.reveal",
        "eval('1')",
        "from os import system",
        "os.system('x')",
    ],
)
def test_it_sees_a_use(line: str) -> None:
    assert uses(line) & {"reveal", "builtins.eval", "os.system"}
