"""A registry with its applier on a writer in memory, and documents that tests bend."""

from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from typing import Any

from remit.access.service import AccessService
from remit.access.sql import load
from remit.agents.service import AgentService
from remit.catalog.model import Server
from remit.catalog.ports import Unreached
from remit.catalog.service import CatalogService
from remit.kernel.canonical import canonical, parse
from remit.kernel.clock import FixedClock, parse_date_end
from remit.kernel.errors import ConfigInvalid
from remit.keys.jose import generate
from remit.people.change import Actor
from remit.people.service import PeopleService
from remit.policy import comparing, organisation
from remit.policy.cedar import CedarEngine
from remit.policy.declared import reading
from remit.policy.declared.model import Declaration
from remit.policy.files import PolicyFiles
from remit.policy.rules import Rules
from remit.policy.schema import for_catalog
from remit.server.apply import Applier
from remit.server.compose_secrets import Both
from remit.server.operators import Authority, Operator, Role
from remit.server.voice import Voice
from remit.storage.memory import MemoryWriter
from remit.storage.model import Entry
from remit.vault.document_sql import SecretDocuments
from remit.vault.owners import SecretOwners

ADMIN = Actor(by="admin")
DANA = Actor(by="admin", as_="dana")
LEE = Actor(by="lee")
NOW = int(parse_date_end("2026-11-24"))
PUBLIC = {key: value for key, value in generate().items() if key != "d"}
OTHER = {key: value for key, value in generate().items() if key != "d"}


class Records:
    """Entries in the clear."""

    def __init__(self) -> None:
        self.count = 0

    def entry(self, kind: str, fields: Mapping[str, Any], **_: Any) -> Entry:
        self.count += 1
        return Entry(f"chg_{self.count}", canonical({"kind": kind, **fields}))


class DataKeys:
    def __init__(self) -> None:
        self.made: list[str] = []

    def ensure_data_key(self, tx: Any, owner: str) -> None:
        assert tx is not None
        self.made.append(owner)

    def erase_data_key(self, tx: Any, owner: str) -> None:
        assert tx is not None
        self.made.remove(owner)


class Lister:
    """Servers by name; one that is not there is unreachable."""

    def __init__(self) -> None:
        self.tools: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[str] = []

    def list_tools(self, server: Server) -> list[dict[str, Any]]:
        self.asked.append(server.server)
        if server.server not in self.tools:
            raise Unreached(f"the server {server.server} could not be asked", again=False)
        return deepcopy(self.tools[server.server])


class Checker:
    """The engine's own eyes on policies; some it refuses because they say so."""

    def __init__(self) -> None:
        self.engine = CedarEngine()

    def check_policies(
        self,
        files: Mapping[str, str],
        servers: Collection[Server] | None = None,
        declarations: Mapping[str, Declaration] | None = None,
    ) -> organisation.Organisation:
        assert servers is not None
        for file, text in files.items():
            if "bad" in text:
                raise ConfigInvalid(f"{file}:1: bad policy")
        declared = reading.read(declarations or {}, self.engine)
        reading.check_entities(declared, self.engine)
        schema = {**for_catalog(servers), **declared.schema}
        found = organisation.read(files, self.engine)
        organisation.check(found, schema, self.engine)
        return found

    def widens(self, before: Rules, after: Rules, servers: Collection[Server] | None = None) -> list[str]:
        def read(files: Mapping[str, str]) -> organisation.Organisation:
            return organisation.read(files, self.engine)

        declared = reading.read(after.declarations, self.engine).schema
        return comparing.widens(before, after, self.engine, servers or (), read=read, declared=declared)


def tool(name: str, **properties: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()}}
    return {"name": name, "description": f"does {name}", "inputSchema": schema}


def owner_role(by: Actor) -> Callable[[Collection[str]], bool]:
    """What `approveBoundary` answers a token of role owner."""
    operator = Operator(person=by.person, roles=frozenset({Role.OWNER} if by.person != "admin" else {Role.ADMIN}))
    return lambda owners: Authority.shipped().allows(operator, "approveBoundary", owners=owners)


class Rig:
    def __init__(self) -> None:
        self.writer = MemoryWriter()
        self.clock = FixedClock(NOW)
        self.records, self.data_keys, self.lister = Records(), DataKeys(), Lister()
        self.lister.tools["payments"] = [
            tool("list_invoices"),
            tool("list_payees"),
            tool("transfer", amount="number", currency="string", to="string"),
            tool("delete_payee", id="string"),
        ]
        bound: dict[str, Any] = {"writer": self.writer, "reader": self.writer, "records": self.records}
        self.agents = AgentService(**bound, data_keys=self.data_keys, clock=self.clock)
        self.asked: list[tuple[str, str, str]] = []  # secret, cause, who
        self.owners = SecretOwners(lambda _tx, name, cause, by: self.asked.append((name, cause.value, by.person)))
        self.people = PeopleService(**bound, suspender=Both(self.agents, self.owners))
        self.catalog = CatalogService(**bound, lister=self.lister, clock=self.clock)
        self.access = AccessService(**bound, clock=self.clock)
        self.applier = Applier(
            writer=self.writer,
            reader=self.writer,
            clock=self.clock,
            people=self.people,
            agents=self.agents,
            catalog=self.catalog,
            access=self.access,
            policies=PolicyFiles(reader=self.writer, records=self.records),
            checker=Checker(),
            lister=self.lister,
            records=self.records,
            secrets=SecretDocuments(self.records, self.clock, self.owners.passed_on),
            patience=0,
        )

    def apply(
        self, tree: "Tree", *, by: Actor = ADMIN, approve: bool = False, prune: bool = False
    ) -> dict[str, dict[str, Any]]:
        """Apply, having seen that a dry run says the same and changes nothing."""
        epoch, entries = self.writer.epoch, len(self.writer.entries)
        voice = Voice(approves=owner_role(by) if approve else None, counts=True)
        foreseen = self.applier.apply(tree.documents(), by=by, dry_run=True, prune=prune, voice=voice)
        assert (self.writer.epoch, len(self.writer.entries)) == (epoch, entries)
        rows = self.applier.apply(tree.documents(), by=by, prune=prune, voice=voice)
        assert rows == foreseen
        return {f"{row['kind']}/{row['name']}": row for row in rows}

    def entries(self, what: str) -> list[dict[str, Any]]:
        found = [parse(entry.header) for entry in self.writer.entries]
        return [entry for entry in found if entry.get("what") == what]

    def boundary(self, name: str = "pay") -> Any:
        return self.writer.read(lambda connection: load(connection, name))


class Tree:
    """Documents that tests bend."""

    def __init__(self) -> None:
        self.owners: list[dict[str, Any]] = [
            {"owner": "dana", "name": "Dana Reyes", "email": "dana@example.test", "backup": ["lee"]},
            {"owner": "lee", "name": "Lee Okafor", "email": "lee@example.test"},
            {"owner": "mo", "name": "Mo", "email": "mo@example.test"},
        ]
        self.purpose: dict[str, Any] = {
            "purpose": "pay-invoices",
            "statement": "Pay supplier invoices",
            "actions": ["payments/list_*", "payments/transfer"],
            "data_classes": ["financial"],
            "not_after": "2027-06-30",
        }
        self.server: dict[str, Any] = {
            "server": "payments",
            "url": "http://127.0.0.1:9101/mcp",
            "tools": {"transfer": {"tier": "critical"}, "list_*": {"tier": "low"}},
        }
        self.agent: dict[str, Any] = {
            "agent": "invoice-bot",
            "owner": "dana",
            "version": "1.4",
            "purposes": ["pay-invoices"],
            "not_after": "2027-06-30",
            "attest": [{"private_key_jwt": {"jwk": PUBLIC}}],
        }
        self.boundary: dict[str, Any] = {
            "boundary": "pay",
            "agent": "invoice-bot",
            "purpose": "pay-invoices",
            "allow": [
                {"action": "payments/list_*"},
                {
                    "action": "payments/transfer",
                    "when": {"amount": {"max": "500.00"}, "currency": {"in": ["EUR"]}},
                    "limits": {"rate": "30/min", "budget": {"argument": "amount", "max": "5000.00", "per": "day"}},
                    "approval": {"above": {"amount": "250.00"}},
                    "ttl": "7d",
                },
            ],
            "not_after": "2027-03-31",
        }
        self.secrets: list[dict[str, Any]] = []
        self.policies: dict[str, str] = {}
        self.declared: dict[tuple[str, str], str] = {}  # by kind and file
        self.without: set[str] = set()

    @property
    def transfer(self) -> dict[str, Any]:
        found: dict[str, Any] = self.boundary["allow"][1]
        return found

    def documents(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [
            {"kind": "policy", "file": file, "text": text} for file, text in self.policies.items()
        ]
        found += [{"kind": kind, "file": file, "text": text} for (kind, file), text in self.declared.items()]
        specs = {
            "boundary": [self.boundary],
            "agent": [self.agent],
            "server": [self.server],
            "secret": self.secrets,
            "purpose": [self.purpose],
            "owner": self.owners,
        }
        for kind, several in specs.items():
            found += [
                {"kind": kind, "spec": deepcopy(spec), "file": f"{kind}.yaml", "line": at + 1}
                for at, spec in enumerate(several)
                if kind not in self.without
            ]
        return found
