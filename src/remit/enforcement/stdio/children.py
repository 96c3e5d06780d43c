"""The commands that run: one for each agent, server and era of MCP, started when needed and ended when not.

None is ever shared between agents. One ends when nobody uses it for a while, when nobody may use it any
more (a freeze, a suspension, the end of a run), when its document changes, when its secret was exposed, and with Remit.

One that works while its secret changes is replaced: it ends with the calls that it has, and a new one beside it has the
calls from now on. Were it waited for, a command that always has a call open would keep the old value for good.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from remit.catalog.injection import Variable
from remit.catalog.model import Server
from remit.enforcement.credited import Made, untold
from remit.enforcement.denials import UNREACHABLE
from remit.enforcement.farewell import least
from remit.enforcement.ports import Secrets
from remit.enforcement.stdio.child import Child
from remit.enforcement.stdio.model import IMPORT, ChildLimits, Key, Recipe, pause
from remit.enforcement.stdio.process import Process
from remit.enforcement.streams import ends
from remit.enforcement.upstream import UpstreamFailed
from remit.logs import logger
from remit.policy.model import Answer, Call
from remit.vault.lends import Lends
from remit.vault.service import Placed, placed

log = logger(__name__)

_LOOK_SECONDS: Final = 1.0


class Children:
    """The running commands of this process. Belongs to the event loop.

    Args:
        folder: Where each gets a home of its own.
        environ: PATH and LANG for all of them.
        secrets: Where credentials come from.
        again: The answer that a call would get now.
        server: The registered server of a name, as it stands now.
        line: Bytes that one message may have.
        limits: How many, how long.
        made: Told with which version of a secret a call is made.
        lends: Lends credentials that are made for one instance each; a command that gets one is that instance's alone.
        exposed: Whether a version of a secret is known elsewhere.
    """

    def __init__(  # noqa: PLR0913 - what a command needs, and who says so
        self,
        *,
        folder: Path,
        environ: Mapping[str, str],
        secrets: Secrets,
        again: Callable[[Call], Answer],
        server: Callable[[str], Server | None],
        line: int,
        limits: ChildLimits | None = None,
        made: Made = untold,
        lends: Lends | None = None,
        exposed: Callable[[str, int], bool] = lambda _secret, _version: False,
    ) -> None:
        self._folder = folder
        self._environ = environ
        self._secrets = secrets
        self._again = again
        self._server = server
        self._line = line
        self._made = made
        self._lends = lends
        self._exposed = exposed
        self.limits = limits or ChildLimits()
        self._running: dict[Key, Child] = {}
        self._replaced: list[Child] = []  # they end with the calls that they have
        self._locks: defaultdict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._failures: dict[Key, tuple[int, float]] = {}  # how often it ended too soon; when it may be started again
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._every())

    async def get(self, server: Server, *, modern: bool, call: Call | None) -> Child:
        """The agent's own command, started if it does not run.

        Raises:
            RemitError: Its secret is missing.
            UpstreamFailed: It cannot be started, or not yet again, or too many run.
        """
        key = self._key(server, call, modern=modern)
        async with self._locks[key]:
            variable = await self._variable(server, call)
            child = self._running.get(key)
            if child is not None and not self._fits(child, server, _digest(variable)):
                child = self._replace(child, server)
            if child is not None and not child.alive:
                await child.gone.wait()  # the next one has the same home
                child = None
            if child is None:
                child = await self._start(key, server, variable)
        return self._used(child, call, server)

    def joined(self, server: Server, session: str, call: Call | None, *, asks: bool) -> Child | None:
        """The command that a session of the handshake era is with; None if it is over.

        Who `asks` something new is with none that was replaced, or would be; what belongs to a call that it has still
        (an answer, that it is cancelled) reaches it.
        """
        key = self._key(server, call, modern=False)
        found = (each for each in self.of(key) if each.alive and session in each.sessions)
        child = next(found, None)
        if child is None:
            return None
        if not asks and child.place == server.place and child.conversation.open:
            return child
        variable = self._at_hand(server, call) if key.instance else self._own(server)
        return self._used(child, call, server) if self._fits(child, server, _digest(variable)) else None

    def of(self, key: Key) -> list[Child]:
        """The command of a key, and those that it replaced."""
        return [each for each in self._every() if each.key == key]

    def _every(self) -> list[Child]:
        return [*self._running.values(), *self._replaced]

    def _used(self, child: Child, call: Call | None, server: Server) -> Child:
        child.used = asyncio.get_running_loop().time()
        if call is not None:
            child.users[call.caller.instance] = call
            if child.version and server.credential is not None:
                self._made(call.id, call.caller.agent, server.credential.secret, child.version)
        return child

    @staticmethod
    def _fits(child: Child, server: Server, secret: bytes) -> bool:
        """Whether it is what would be started now."""
        return child.place == server.place and child.secret == secret

    def _replace(self, child: Child, server: Server) -> Child | None:
        """Give it no more calls: one that has some ends with them, with a new one beside it; else it is what ends."""
        if not child.alive or child.place != server.place or not child.conversation.open:
            child.stop("its document or its secret changed")
            return child
        del self._running[child.key]
        self._replaced.append(child)
        return None

    def _recipe(self, server: Server, key: Key, variable: Placed | None, home: int) -> Recipe:
        folder = self._folder / server.server / (key.agent or "_import") / ("modern" if key.modern else "handshake")
        if key.instance:  # two copies of an agent may run it at a time
            folder /= hashlib.sha256(key.instance.encode()).hexdigest()[:16]
        if home:  # all that runs in a home ends with whose home it is (`process._kill_all`)
            folder = folder.with_name(f"{folder.name}-{home}")
        environ = {**self._environ, **dict(server.env), "HOME": str(folder)}
        if variable is not None:
            environ[variable.name] = variable.value
        return Recipe(words=server.command, environ=environ, folder=folder)

    def _key(self, server: Server, call: Call | None, *, modern: bool) -> Key:
        if call is None:
            return Key(IMPORT, server.server, modern)
        return Key(call.caller.agent, server.server, modern, call.caller.instance if self._of_one(server) else "")

    def _of_one(self, server: Server) -> bool:
        """Whether its credential is made for each instance."""
        credential = server.credential
        return credential is not None and self._lends is not None and self._lends.makes(credential.secret)

    async def _variable(self, server: Server, call: Call | None) -> Placed | None:
        """What carries its credential; None if it has none, or only lists its tools, which is for no instance."""
        credential = server.credential
        if self._lends is None or not isinstance(credential, Variable) or not self._of_one(server):
            return self._own(server)
        if call is None:
            return None
        return placed(credential.env, credential, await self._lends.lend(credential, call))

    def _at_hand(self, server: Server, call: Call | None) -> Placed | None:
        credential = server.credential
        if self._lends is None or call is None or not isinstance(credential, Variable):
            return None
        lent = self._lends.at_hand(credential.secret, call)
        return None if lent is None else placed(credential.env, credential, lent)

    def _own(self, server: Server) -> Placed | None:
        # Nothing else is taken of a command's document.
        return Placed(*self._secrets.variable(server.credential)) if isinstance(server.credential, Variable) else None

    async def _start(self, key: Key, server: Server, variable: Placed | None) -> Child:
        now = asyncio.get_running_loop().time()
        if self._closed:
            raise UpstreamFailed(UNREACHABLE, sent=False, detail="Remit is stopping")
        if (until := self._failures.get(key, (0, 0.0))[1]) > now:
            raise UpstreamFailed(UNREACHABLE, sent=False, detail=f"it is started again in {until - now:.0f} s")
        self._make_room(key)
        taken = {each.home for each in self.of(key)}
        home = next(each for each in itertools.count() if each not in taken)
        process = await Process.start(self._recipe(server, key, variable, home), self.limits)
        child = Child(
            key=key,
            process=process,
            limits=self.limits,
            place=server.place,
            secret=_digest(variable),
            began=now,
            used=now,
            version=0 if variable is None else variable.version,
            credential="" if server.credential is None else server.credential.secret,
            home=home,
        )
        scanner = None if server.credential is None else self._secrets.scanner(server.credential, key.instance)
        process.listen(server=server.server, agent=key.agent, scanner=scanner)
        self._running[key] = child
        child.begin(self._line, self._gone)
        log.info("a command was started", server=key.server, agent=key.agent, pid=process.pid)
        return child

    def _make_room(self, key: Key) -> None:
        """End what is idle where too many run.

        Raises:
            UpstreamFailed: All of them work.
        """
        every = [each for each in self._every() if each.alive]
        mine = [each for each in every if each.key.agent == key.agent] if key.agent != IMPORT else []
        for held, most in ((mine, self.limits.most_of_agent), (every, self.limits.most)):
            idle = [each for each in held if not each.conversation.open]
            if len(held) >= most and not idle:
                raise UpstreamFailed(UNREACHABLE, sent=False, detail="too many commands run")
            if len(held) >= most:
                min(idle, key=lambda each: each.used).stop("another needs its place")

    def _gone(self, child: Child) -> None:
        if self._running.get(child.key) is child:
            del self._running[child.key]
        elif child in self._replaced:
            self._replaced.remove(child)
        now = asyncio.get_running_loop().time()
        log.info(
            "a command ended", server=child.key.server, agent=child.key.agent, pid=child.process.pid,
            how=child.process.code, why=child.stopping or "by itself",
        )  # fmt: skip
        if child.stopping:
            return
        before = self._failures.get(child.key, (0, 0.0))[0]
        count = 1 if now - child.began > self.limits.settled else before + 1
        self._failures[child.key] = (count, now + pause(count))

    # when they end ------------------------------------------------------------------------------

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say which loop they belong to."""
        self._loop = loop

    def changed(self) -> None:
        """From any thread: something changed. What nobody may use any more is ended."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.recheck)

    def recheck(self) -> None:
        """End what nobody may use any more, and what is not registered so any more."""
        for child in self._every():
            if not child.alive:
                continue
            if child.version and self._exposed(child.credential, child.version):
                child.stop("its secret was exposed")  # its calls too: who else has the value may be in them
                continue
            server = self._server(child.key.server)
            if child.key.agent != IMPORT:
                child.users = {who: call for who, call in child.users.items() if self._may(call)}
                if not child.users or server is None or server.place != child.place:
                    child.stop("nobody may use it any more")

    def _may(self, call: Call) -> bool:
        """Whether a caller may still ask anything of its server. What cannot be decided ends nothing: it refuses."""
        try:
            return not ends(self._again(least(call)))
        except Exception:  # one question that breaks must not keep the others from being asked
            log.exception("whether a command may go on could not be decided", server=call.server)
            return True

    async def run(self) -> None:
        """End what is idle, until cancelled; then all."""
        self.bind(asyncio.get_running_loop())
        try:
            while True:
                await asyncio.sleep(_LOOK_SECONDS)
                self._idle()
                self.recheck()
        finally:
            await self.close()

    def _idle(self) -> None:
        now = asyncio.get_running_loop().time()
        for child in self._replaced:
            if not child.conversation.open:
                child.stop("its secret changed")
        for child in list(self._running.values()):
            most = self.limits.import_idle if child.key.agent == IMPORT else self.limits.idle
            if not child.conversation.open and now - child.used > most:
                child.stop("nobody used it")

    async def close(self) -> None:
        """End all of them."""
        self._closed = True
        for child in (ending := self._every()):
            child.stop("Remit is stopping")
        for child in ending:
            await child.gone.wait()


def _digest(variable: Placed | None) -> bytes:
    """What tells a command's credential from another one."""
    return b"" if variable is None else hashlib.sha256(variable.value.encode()).digest()
