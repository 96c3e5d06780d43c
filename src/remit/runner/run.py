"""One run, from the first token to the line that ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from remit.runner import clients, own_process, proxied
from remit.runner.child import Child, digest, program
from remit.runner.model import Issued, Plan, not_its_servers, refusal
from remit.runner.processes import Address, is_own
from remit.runner.proxied import Offered
from remit.runner.proxy import LoopbackProxy
from remit.runner.proxy_upstream import RemitProxy
from remit.runner.relay import Relay
from remit.runner.session import Session
from remit.runner.tally import Tally
from remit.runner.tokens import Tokens, boot_seconds
from remit.runner.upstream import Gateway
from remit.sdk import keyfile
from remit.sdk.grant import proof
from remit.sdk.keyfile import Key

_ENDPOINT: Final = "/oauth2/token"
_OK: Final = 200
_PROC: Final = Path("/proc")
_EVIDENCE: Final = 256  # arguments, and characters of each, that are recorded


def run(plan: Plan, *, say: Callable[[Tally, str], None], warn: Callable[[str], None]) -> int:
    """Run the command; its exit code.

    Args:
        plan: What is run.
        say: Told once at the end what happened, and the run's id.
        warn: Told what is odd and does not stop it.

    Raises:
        RemitError: It was not started.
    """
    own_process.close_up()
    return asyncio.run(_run(plan, say=say, warn=warn))


async def _run(plan: Plan, *, say: Callable[[Tally, str], None], warn: Callable[[str], None]) -> int:
    file = program(plan.command[0], plan.environ)
    key, session, tally = keyfile.fresh(), Session(plan.data), Tally()
    try:
        ask = partial(issued, plan, key, session, digest(file))
        first = await ask()
        if missing := set(plan.servers) - set(first.servers):
            raise not_its_servers(missing, first, agent=plan.agent)
        tokens = Tokens(first, ask)
        relay = Relay(
            gateway=Gateway(plan.base, key), tokens=tokens, servers=plan.servers, admits=_admits(), tally=tally
        )
        await relay.start()
        proxy = await _proxy(plan, key, first, tokens, tally)
        servers = plan.servers or first.servers
        if not servers and proxy is None:
            warn(f"{plan.agent} has no boundary for {first.purpose}: the command has no server")
        urls = {server: relay.url(server) for server in servers if server not in first.http}
        apis = {server: relay.http_url(server) for server in servers if server in first.http}
        with clients.prepared(plan.command, plan.environ, urls, apis) as made:
            environ = made.environ
            if proxy is not None and first.offered is not None:
                environ = proxied.variables(environ, first.offered, proxy=proxy.url, folder=made.folder)
            child = Child(interactive=plan.interactive)
            child.start(file, made.argv, environ)
            keeping = asyncio.create_task(tokens.keep())
            try:
                code = await child.wait()
            finally:
                await relay.close()
                if proxy is not None:
                    await proxy.close()
                keeping.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await keeping
    finally:
        await session.end()
    say(tally, first.run)
    return code


async def _proxy(plan: Plan, key: Key, first: Issued, tokens: Tokens, tally: Tally) -> LoopbackProxy | None:
    """The run's own proxy; None where it is to have none."""
    if first.offered is None:
        return None
    remit = RemitProxy(plan.base, first.offered.url, key)
    proxy = LoopbackProxy(remit=remit, tokens=tokens, admits=_admits(), tally=tally)
    await proxy.start()
    return proxy


async def issued(plan: Plan, key: Key, session: Session, program_digest: str | None) -> Issued:
    """A token from the server.

    Raises:
        RemitError: It gives none.
    """
    asked = boot_seconds()
    question: dict[str, Any] = {
        "agent": plan.agent,
        "servers": list(plan.servers),
        "proof": proof(key, "POST", plan.base + _ENDPOINT),
        "argv": [_text(word) for word in plan.command[:_EVIDENCE]],
    }
    question |= {"proxy": True} if plan.proxied else {}
    question |= {} if plan.purpose is None else {"purpose": plan.purpose}
    question |= {} if program_digest is None else {"digest": program_digest}
    answer = await session.ask(question)
    if answer.get("status") != _OK:
        raise refusal(answer, agent=plan.agent, uid=os.geteuid())
    return Issued(
        access_token=answer["access_token"],
        run=answer["run"],
        purpose=answer["purpose"],
        servers=tuple(answer["servers"]),
        received=asked,
        expires=asked + answer["expires_in"],
        offered=Offered.of(answer["proxy"]) if plan.proxied else None,
        http=tuple(answer.get("http", ())),
    )


def _text(word: str) -> str:
    """An argument as text: what is not UTF-8 is replaced."""
    return word[:_EVIDENCE].encode("utf-8", "replace").decode("utf-8")


def _admits() -> Callable[[Address, Address], bool]:
    """Who may use the URL: the run's own processes."""
    uid, root = os.geteuid(), os.getpid()
    return lambda client, server: is_own(_PROC, client=client, server=server, uid=uid, root=root)
