"""A moment's session at a PostgreSQL server whose roles Remit changes. Blocks: for a thread.

What goes wrong is told apart without reading messages, which are in the server's own language: libpq has no SQLSTATE
for a login that fails. A server that twice asked for the password and twice did not let in has said no; everything
else before a session begins is unclear. No message of the driver is passed on: one may quote the statement.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from remit.keys.secret import Secret
from remit.vault.rotator import Refused, Unclear

if TYPE_CHECKING:
    import psycopg

T = TypeVar("T")
SECONDS: Final = 9.0  # for all that one step of a rotation asks
_LIBPQ: Final = 160000  # the first that knows `require_auth`
_DIAL: Final = 2  # seconds for a connection; libpq takes no less
_TEMPORARY: Final = frozenset({"08", "25", "40", "53", "55", "57", "58", "XX"})
"""Classes of SQLSTATE (PostgreSQL, appendix A) that another moment, or the pair's other server, answers otherwise."""


class NotLetIn(Refused):
    """The server asked for the password, and does not take that user with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One database, and how its server is known. `certificates`: a file of authorities, or `system`."""

    host: str
    port: int
    database: str
    sslmode: str
    certificates: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who signs in."""

    user: str
    password: Secret


def ends_after(seconds: float) -> float:
    """What `visit` takes as its end, counted from now."""
    return time.monotonic() + seconds


def visit(
    server: Server,
    login: Login,
    work: Callable[[psycopg.Connection[Any]], T],
    *,
    addresses: tuple[str, ...],
    end: float,
) -> T:
    """What `work` returns, done in one transaction that is committed.

    Args:
        server: Where.
        login: As whom.
        work: What is done with the connection; may commit in between.
        addresses: Of the server, judged: no others are dialled.
        end: Of everything (`ends_after`); a connection that is in use then is cut.

    Raises:
        NotLetIn: The server does not take that user with that password.
        Refused: It does not take what `work` asks.
        Unclear: It cannot be reached, or whether it was done is not known.
    """
    connection = _signed_in(server, login, addresses, end)
    try:
        with connection, _cut(connection, end):
            return work(connection)
    except _driver().Error as error:
        state = error.sqlstate
    # Raised out here, without the driver's error as its context: that one may quote what it was asked.
    if state is None or state[:2] in _TEMPORARY:
        said = f"SQLSTATE {state}" if state else "the connection ended"
        raise Unclear(f"PostgreSQL gave {login.user} no clear answer: {said}", detail=str(server))
    raise Refused(f"PostgreSQL refused it to {login.user}: SQLSTATE {state}", detail=str(server))


def _signed_in(server: Server, login: Login, addresses: tuple[str, ...], end: float) -> psycopg.Connection[Any]:
    denied = 0
    for address in (*addresses, *addresses):
        if time.monotonic() > end - _DIAL:
            break
        found = _dialled(server, login, address)
        if not isinstance(found, bool):
            return found
        denied += found
        if denied > 1:  # once could be a server that went down between its question and its answer
            raise NotLetIn(f"PostgreSQL does not let {login.user} in", detail=str(server))
    raise Unclear("PostgreSQL could not be reached", detail=str(server))


def _dialled(server: Server, login: Login, address: str) -> psycopg.Connection[Any] | bool:
    """A session; else whether the server asked for the password before it ended it."""
    # libpq checks a certificate in these two modes alone, and refuses `system` in the others.
    checked = {"sslrootcert": server.certificates} if server.sslmode.startswith("verify-") else {}
    try:
        found: psycopg.Connection[Any] = _driver().connect(
            host=server.host, hostaddr=address, port=server.port, dbname=server.database, user=login.user,
            password=login.password.text(), sslmode=server.sslmode, connect_timeout=_DIAL,
            # A server that asks for the password itself would get it, whoever it is.
            require_auth="scram-sha-256", gssencmode="disable", passfile=os.devnull,
            application_name="remit", options="", target_session_attrs="any", **checked,
        )  # fmt: skip
    except _driver().Error as error:
        return bool(error.pgconn is not None and error.pgconn.used_password)
    return found


@contextmanager
def _cut(connection: psycopg.Connection[Any], end: float) -> Iterator[None]:
    """End it from another thread when its time is over: a server that stands still would hold this one for ever."""
    with socket.socket(fileno=os.dup(connection.fileno())) as same:
        timer = threading.Timer(max(0.0, end - time.monotonic()), _shut, (same,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _shut(same: socket.socket) -> None:
    same.shutdown(socket.SHUT_RDWR)


def _driver() -> Any:  # noqa: ANN401 - a module
    """The driver, which is an extra."""
    try:
        import psycopg  # noqa: PLC0415 - only where PostgreSQL is spoken to
    except ImportError:
        raise Refused("PostgreSQL's driver is missing: pip install 'remit[postgres]'") from None
    if psycopg.pq.version() < _LIBPQ:
        raise Refused("libpq 16 is needed: an older one gives a password to a server that asks for it plainly")
    return psycopg
