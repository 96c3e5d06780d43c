"""A provider of keys in memory that fails as it is told to, and the engine that changes keys over the real steps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

from sqlalchemy import delete

from remit.kernel.clock import SECOND, FixedClock, Instant, Micros
from remit.kernel.names import OwnerName, SecretName, new_id
from remit.keys.keyfile import KeyfileProvider
from remit.keys.secret import Secret
from remit.keys.service import KeyRing
from remit.people.change import Actor
from remit.server.rotating import Rotating
from remit.storage.credential_schema import due, rotations, secret_versions, secrets
from remit.storage.memory import MemoryWriter
from remit.storage.model import Entry
from remit.storage.ports import Transaction
from remit.vault.document import Cause, Rotate, SecretDocument
from remit.vault.document_json import text
from remit.vault.model import Material, topic
from remit.vault.rotation_sql import SqlRotations, Stored
from remit.vault.rotations import Rotations
from remit.vault.rotator import Answered, Unclear
from remit.vault.rotators.http import Http
from remit.vault.service import Vault
from remit.vault.sql import SqlSecrets

NOON = Instant(1_800_000_000_000_000)
NAME = SecretName("api-key")
DANA = Actor(by="dana")
FIRST = "the-first-key-of-all"
KEYS = "https://keys.test/keys"
COMMON: dict[str, Any] = {
    "by_hand": {"id": "hand"},
    "verify": {"url": "https://keys.test/check", "headers": {"X-Key": "{value}"}},
    "revoke": {"method": "DELETE", "url": KEYS + "/{id}"},
    "confirm": {"url": KEYS + "/{id}"},
    "leftovers": {"url": KEYS, "items": "/keys", "attributes_at": {"id": "/id"}, "label_at": "/label"},
}
CHOSEN = COMMON | {  # by the provider
    "create": {"method": "POST", "url": KEYS, "body": {"label": "{rotation}"}},
    "value_at": "/key",
    "attributes_at": {"id": "/id"},
}
PROPOSED = COMMON | {  # by Remit
    "create": {"method": "PUT", "url": KEYS + "/{id}", "body": {"key": "{value}", "label": "{rotation}"}},
    "propose": {"length": 24, "attributes": {"id": "{rotation}"}},
}


class Trouble(StrEnum):
    """What happens to one request or change."""

    NONE = "none"
    KILLED_BEFORE = "killed before its effect"
    KILLED_AFTER = "killed after its effect"
    LOST = "lost on its way"
    UNANSWERED = "done, but the answer is lost"
    BROKEN = "500"
    SAYS_NO = "403"
    OVERTAKEN_BEFORE = "so late that another node has taken the step, and acts first"
    OVERTAKEN_AFTER = "done, and then another node takes the step before the answer comes"
    LIES = "says yes and does nothing"


class Killed(BaseException):
    """The process is gone: nothing of it runs any further."""


@dataclass
class Wire:
    """The provider, as `Send` reaches it. `checked`: keys that were seen to work; `seen`: what each request was."""

    live: dict[str, tuple[str, str]] = field(default_factory=lambda: {"k0": (FIRST, "by hand")})  # id: key, label
    troubles: list[Trouble] = field(default_factory=list)
    checked: set[str] = field(default_factory=set)
    seen: list[tuple[str, str]] = field(default_factory=list)
    overtaken: Callable[[], Awaitable[None]] | None = None
    before_delete: Callable[[str], None] = lambda _key: None
    made: int = 0

    async def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        trouble = self.troubles.pop(0) if self.troubles else Trouble.NONE
        path = url.removeprefix("https://keys.test")
        self.seen.append((method, path))
        if (early := await self._before(trouble, method)) is not None:
            return early
        answer = self._done(method, path, headers, body)
        if trouble is Trouble.OVERTAKEN_AFTER and self.overtaken is not None:
            await self.overtaken()
        match trouble:
            case Trouble.KILLED_AFTER:
                raise Killed
            case Trouble.UNANSWERED:
                raise Unclear("no answer")
            case Trouble.BROKEN:
                return Answered(500, b"")
        return answer

    async def _before(self, trouble: Trouble, method: str) -> Answered | None:
        """What happens to a request that has no effect; None if it has one."""
        if trouble is Trouble.OVERTAKEN_BEFORE and self.overtaken is not None:
            await self.overtaken()
        match trouble:
            case Trouble.KILLED_BEFORE:
                raise Killed
            case Trouble.LOST:
                raise Unclear("lost")
            case Trouble.SAYS_NO:
                return Answered(403, b"{}")
            case Trouble.LIES if method == "DELETE":
                return Answered(204, b"")
            case Trouble.LIES if method == "POST":
                return Answered(201, json.dumps({"id": "k999", "key": "a-key-that-is-none"}).encode())
            case Trouble.LIES if method == "PUT":
                return Answered(201, b"{}")
        return None

    def works(self) -> set[str]:
        """Those that work."""
        return {key for key, _ in self.live.values()}

    def _done(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answered:
        if path == "/check":
            works = headers.get("X-Key") in self.works()
            if works:
                self.checked.add(headers["X-Key"])
            return Answered(200 if works else 401, b"{}")
        if headers.get("Authorization", "").removeprefix("Bearer ") not in self.works():
            return Answered(401, b"{}")
        name = unquote(path.removeprefix("/keys").removeprefix("/"))
        if method == "GET" and not name:
            listed = [{"id": each, "label": label} for each, (_, label) in self.live.items()]
            return Answered(200, json.dumps({"keys": listed}).encode())
        if method in {"POST", "PUT"}:
            return self._made(name, json.loads(body))
        return self._about(method, name)

    def _made(self, name: str, said: dict[str, str]) -> Answered:
        if not name:
            self.made += 1
            name, said = f"k{self.made}", said | {"key": f"key-number-{self.made:04}"}
        self.live[name] = (said["key"], said["label"])
        return Answered(201, json.dumps({"id": name, "key": said["key"]}).encode())

    def _about(self, method: str, name: str) -> Answered:
        if name not in self.live:
            return Answered(404, b"{}")
        if method == "DELETE":
            self.before_delete(self.live[name][0])
            del self.live[name]
        return Answered(200, b"{}")


class Entries:
    """Implements the ports' Records with the headers themselves."""

    def __init__(self) -> None:
        self.said: list[Mapping[str, Any]] = []

    def entry(self, kind: str, fields: Mapping[str, Any], **_: Any) -> Entry:
        self.said.append({"kind": kind, **fields})
        return Entry(id=new_id("ent"), header=b"{}", payload=None)


@cache
def _store() -> tuple[MemoryWriter, KeyRing]:
    """One database for all worlds of a process: most of what one takes is to make its tables."""
    writer = MemoryWriter()
    with TemporaryDirectory() as folder:
        provider = KeyfileProvider.create(Path(folder) / "k" / "keyfile")
    writer.change(lambda tx: KeyRing.create(tx, provider, now=NOON))
    return writer, writer.read(lambda connection: KeyRing.open(connection, provider))


@dataclass
class World:
    """One secret with a working key, and engines that may be killed."""

    settings: dict[str, Any]
    drain: int = SECOND
    every: int | None = None
    on: tuple[Cause, ...] = tuple(Cause)
    wire: Wire = field(default_factory=Wire)
    troubles: list[Trouble] = field(default_factory=list)  # of changes of state
    frozen: Instant | None = None

    def __post_init__(self) -> None:
        self.writer, self.keys = _store()
        self.writer.feed._subscribers = ()
        self.clock, self.records, self.vault = FixedClock(NOON), Entries(), Vault(self.keys)
        self.writer.feed.subscribe(self.keys.follow)
        self.writer.feed.subscribe(self.vault.follow)
        self.writer.change(self._fresh)
        self.nodes = [self.engine("one"), self.engine("two")]

    def engine(self, node: str) -> Rotating:
        made = Rotations(versions=self.vault.versions, records=self.records, clock=self.clock)
        return Rotating(
            vault=self.vault, rotations=made, rotators={"http": Http(self.wire)}, admin=_nobody, writer=self.writer,
            reader=self.writer, clock=self.clock, node=lambda: node, thread=self._inline,
            frozen=lambda _secret: self.frozen,
        )  # fmt: skip

    async def _inline(self, work: Callable[..., Any], *arguments: Any) -> Any:
        trouble = self.troubles.pop(0) if self.troubles else Trouble.NONE
        if trouble is Trouble.KILLED_BEFORE:
            raise Killed
        done = work(*arguments)
        if trouble is Trouble.KILLED_AFTER:
            raise Killed
        return done

    def _fresh(self, tx: Transaction) -> None:
        for table in (secrets, secret_versions, rotations, due):
            tx.connection.execute(delete(table))
        made = self.vault.versions.begin(tx, NAME, Material(value=Secret(FIRST), attributes={"id": "k0"}), now=NOON)
        self.vault.versions.promote(tx, made, now=NOON)
        self.document(tx)

    def document(self, tx: Transaction) -> None:
        """Say how it is changed."""
        every = None if self.every is None else Micros(self.every)
        rotate = Rotate(rotator="http", settings=self.settings, every=every, drain=Micros(self.drain), on=self.on)
        said = SecretDocument(secret=NAME, owner=OwnerName("dana"), rotate=rotate)
        SqlSecrets(tx.connection).put_document(NAME, text(said))
        tx.touch(topic(NAME))

    def ask(self, cause: Cause = Cause.ASKED) -> None:
        self.writer.change(lambda tx: self.nodes[0].rotations.ask(tx, NAME, cause, DANA))

    def tick(self, node: int = 0) -> bool:
        """One node takes what is due; whether it lived."""

        async def other() -> None:
            self.clock.at += 20 * SECOND
            rest, self.wire.troubles[:] = list(self.wire.troubles), []
            changes, self.troubles[:] = list(self.troubles), []
            await self.nodes[1 - node].tick()
            self.wire.troubles[:], self.troubles[:] = rest, changes

        self.wire.overtaken = other
        try:
            asyncio.run(self.nodes[node].tick())
        except Killed:
            self.nodes[node] = self.engine(f"{node} again")
            self.wire.troubles.clear()
            self.troubles.clear()
            return False
        return True

    def settle(self) -> None:
        """Nothing goes wrong any more, and time passes."""
        self.wire.troubles.clear()
        self.troubles.clear()
        for _ in range(200):
            if all(each.ended is not None for each in self.listing()):
                return
            self.tick()
            self.clock.at += 20 * SECOND
        raise AssertionError(f"it does not end: {self.listing()}")

    def listing(self) -> list[Stored]:
        return self.writer.read(lambda connection: SqlRotations(connection).listing(most=100))

    def lent(self) -> str:
        """What calls use."""
        return self.vault.lend(NAME).value.text()


def _nobody(name: str, **_: object) -> Material:
    raise AssertionError(name)
