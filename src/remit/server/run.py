"""One server process: from its settings to the line that says it is ready, and to its clean end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Never

import uvicorn
import uvloop

from remit.enforcement import era
from remit.kernel.clock import SECOND
from remit.kernel.errors import ConfigInvalid, StorageUnavailable
from remit.keys.hardening import harden
from remit.logs import logger
from remit.outbound import session
from remit.server import compose, garbage, logs
from remit.server.life import Remit
from remit.server.protocol import Protocol
from remit.server.settings import Settings, data_directory
from remit.storage.lock import FileLock

_BACKLOG = 2048
_KEEP_ALIVE = 75  # seconds; longer than common clients keep theirs, so that they close first
# Seconds a busy thread keeps the interpreter while others wait. A freeze's transaction lets go of it at every statement
# and would wait as long each time: with 500 open streams its slowest went from about 57 to 40 ms.
TURN = 0.0005
_DESCRIPTORS = 20_000  # as many as are asked for, if the machine allows
_OWN, _LEAST = 256, 128  # of these: for the database, files and reserves; connections there are at any rate
_log = logger("remit.server")


class _Uvicorn(uvicorn.Server):
    """Says when it is ready; leaves signals to us, or it would raise them again after its clean end."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self._ready()

    def end(self) -> None:
        """Drain and stop; asked twice, stop at once."""
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(settings: Settings, *, as_json: bool) -> int:
    """Run a server until SIGTERM or SIGINT; returns 0 after a clean end.

    Raises:
        Conflict: Another server uses the same data directory.
        ConfigInvalid, KeyfileMissing, KeyfileUnsafe, KeyfileWrong, KeysUnavailable, StorageUnavailable: At start.
    """
    sys.setswitchinterval(TURN)
    Protocol.most = _connections()
    logs.configure()
    signal.signal(signal.SIGTERM, _leave)
    if not settings.dumpable:
        harden()  # before any key is opened
    if settings.dev and not settings.loopback:
        raise ConfigInvalid("--dev is for this machine only", try_="--listen 127.0.0.1:8470, or leave --dev away")
    _make_private(settings)
    lock = FileLock(settings.data / "server")
    try:
        with _listen(settings) as listener:
            base = settings.public_url or _base_url(listener, secure=settings.tls_certificate is not None)
            remit = compose.build(settings, base=base, listener=listener.getsockname()[:2])
            try:
                remit.life.recover()
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    runner.run(_serve(settings, remit, listener, as_json=as_json))
                if remit.life.database.given_up:
                    raise StorageUnavailable("this node was silent too long and was given up", try_="start it again")
            finally:
                for number in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, signal.SIG_IGN)  # the loop's handlers went with it; the end is under way
                settings.instance_file.unlink(missing_ok=True)
                remit.close()
    finally:
        lock.release()
    return 0


def _connections() -> int:
    """How many clients may be connected: each may need a second descriptor, for its server; some are Remit's own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = _DESCRIPTORS if hard == resource.RLIM_INFINITY else max(soft, min(hard, _DESCRIPTORS))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(_LEAST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - _OWN)


def _leave(_number: int, _frame: FrameType | None) -> Never:
    raise SystemExit(0)  # SIGTERM before the loop runs: what is open is closed on the way out


async def _serve(settings: Settings, remit: Remit, listener: socket.socket, *, as_json: bool) -> None:
    config = uvicorn.Config(
        remit.app,
        loop="none",
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, settings.drain // SECOND),
        **_tls(settings),
    )
    try:
        config.load()
    except OSError as error:  # an ssl.SSLError too
        raise ConfigInvalid("the files for TLS cannot be used", detail=str(error), try_="PEM files") from error

    loop = asyncio.get_running_loop()
    tasks = []

    def ready() -> None:
        garbage.settle()
        remit.health.ready = True
        _say_ready(settings, remit, as_json=as_json)
        tasks.append(loop.create_task(_warm(remit)))

    server = _Uvicorn(config, ready)

    def leave() -> None:
        remit.life.leave()  # who waits for another server hears of it now, while it can still be answered
        server.end()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave)
    async with remit.running():
        await server.serve([listener])
        _log.info("stopping")


def _tls(settings: Settings) -> dict[str, Any]:
    """What uvicorn is told of TLS. Clients may show a certificate of a named authority, and need none."""
    if settings.tls_certificate is None:
        return {}
    found: dict[str, Any] = {"ssl_certfile": settings.tls_certificate, "ssl_keyfile": settings.tls_key}
    if settings.client_ca is not None:
        found |= {"ssl_ca_certs": str(settings.client_ca), "ssl_cert_reqs": ssl.CERT_OPTIONAL}
    return found


async def _warm(remit: Remit) -> None:
    """Load what the first call, and then the first person, would have to wait for."""
    for load in (session.load, era.warm, remit.later.load):
        try:
            await asyncio.to_thread(load)
        except Exception:  # noqa: BLE001 - whoever needs it tries again, and is told
            _log.exception("could not be loaded")
    garbage.settle()


def _make_private(settings: Settings) -> None:
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable("the data directory cannot be made", detail=str(error)) from error


def _listen(settings: Settings) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # From here on the kernel queues callers: whoever saw the port open is answered, if a little later.
        listener.listen(_BACKLOG)
        listener.setblocking(False)  # noqa: FBT003 - the socket module's signature
    except OSError as error:
        raise ConfigInvalid(
            f"cannot listen on {settings.host}:{settings.port}",
            detail=error.strerror or str(error),
            try_="--listen 127.0.0.1:0 takes any free port",
        ) from error
    return listener


def _base_url(listener: socket.socket, *, secure: bool) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "https" if secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _say_ready(settings: Settings, remit: Remit, *, as_json: bool) -> None:
    base, proxy = remit.base, None if remit.proxy is None else remit.proxy.url
    instance = {"url": base, "pid": os.getpid(), "admin_token_file": str(settings.admin_token_file)}
    beside = settings.instance_file.with_name("instance.json.new")
    beside.write_text(json.dumps(instance) + "\n", encoding="utf-8")
    beside.replace(settings.instance_file)
    if as_json:
        ready = {"api": base, "console": f"{base}/console", "gateway": f"{base}/mcp"}
        ready |= {} if proxy is None else {"proxy": proxy}
        lines = [json.dumps({**ready, "admin_token_file": str(settings.admin_token_file)})]
    else:
        lines = _block(settings, base, _age(), proxy)
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _age() -> float | None:
    """Seconds since this process began, with what Python took to load; None where the kernel does not tell."""
    try:
        # proc(5): `pid (name) state ...`, where a name may have a ")"; field 22 is the start, in ticks since the boot.
        after_name = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        began = int(after_name.split()[22 - 3]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - began
    except (OSError, AttributeError, IndexError, ValueError):
        return None


def _block(settings: Settings, base: str, seconds: float | None, proxy: str | None = None) -> list[str]:
    took = "" if seconds is None else f" ({seconds:.1f} s)"
    lines = [
        f"Remit is ready{took}, listening on {settings.host}" + (", this machine only" if settings.loopback else ""),
        "",
        f"  API          {base}",
        f"  Gateway      {base}/mcp/SERVER",
        *([] if proxy is None else [f"  Proxy        {proxy}  (remit run --proxy --agent NAME -- CMD)"]),
        f"  Console      {base}/console  (remit console makes the link that signs you in)",
        f"  Data         {settings.data}",
        f"  Admin token  in {settings.admin_token_file}",
        "",
    ]
    if settings.dev:
        lines += ["  --dev: the admin token may act as anyone (--as PERSON). Never in production.", ""]
    if settings.dumpable:
        lines += ["  --unsafe-dumpable: debuggers and core files see every secret. Never in production.", ""]
    lines.append("Next, in a second terminal:")
    if settings.data != data_directory(os.environ):
        lines.append(f"  export REMIT_URL={base} REMIT_TOKEN_FILE={settings.admin_token_file}")
    lines += ["  remit agent keygen NAME --out FILE", "  remit apply DIR", "  remit doctor", "Ctrl-C stops it."]
    return lines
