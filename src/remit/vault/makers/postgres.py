"""A PostgreSQL role for one instance, in the groups that a document names, until a time that the server holds to.

role     remit_<lease>, which nobody else has and no other role stands behind
made     with a SCRAM-SHA-256 verifier that is computed here (RFC 5803): a password in a statement would stand in
         the server's log
ended    it cannot log in any more; then its sessions end; then what it owns goes to its first group, and it goes
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from remit.kernel.clock import rfc3339
from remit.keys.secret import Secret
from remit.people import document
from remit.people.document import Fields, SpecInvalid
from remit.threads import Threads
from remit.vault.maker import Made, Order, Prepared
from remit.vault.model import Material, SecretUnavailable
from remit.vault.postgres_session import SECONDS, Login, Server, ends_after, visit
from remit.vault.postgres_settings import SERVER, read_server, role_name
from remit.vault.rotator import Refused, Resolve, Unclear

if TYPE_CHECKING:
    import psycopg

T = TypeVar("T")
_ENTROPY: Final = 32  # bytes
_GROUPS: Final = 20
_CONNECTIONS: Final = 20
_MOST_CONNECTIONS: Final = 1000
_PATIENCE: Final = 2000  # milliseconds for a session to end
_MEMBER: Final = (
    "SELECT 1 FROM pg_auth_members JOIN pg_roles ON pg_roles.oid = roleid"
    " WHERE rolname = %s AND member = (SELECT oid FROM pg_roles WHERE rolname = CURRENT_USER)"
)
_PER_MEMBERSHIP: Final = 160000  # the first version in which a membership alone is neither used nor taken up


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """As they stand in a secret's document under `dynamic.postgres`.

    `roles`: the groups that a made role is in. `connections`: how many sessions it may have at a time.
    """

    server: Server
    roles: tuple[str, ...]
    connections: int
    admin: str
    admin_user: str  # empty: the admin secret's attribute `user`


def read(settings: Mapping[str, Any]) -> Settings:
    """The settings.

    Raises:
        SpecInvalid: They have problems.
    """
    fields = Fields(settings, known={*SERVER, "roles", "connections", "admin", "admin_user"})
    server = read_server(fields)
    roles = fields.take("roles", document.distinct(document.items(role_name, least=1, most=_GROUPS)))
    admin_user = fields.maybe("admin_user", role_name, "")
    if roles and admin_user in roles:
        fields.problem("admin_user", "is one of the roles: what is made would manage roles itself")
    found = Settings(
        server=server, roles=roles, admin=fields.take("admin", document.name("a secret")), admin_user=admin_user,
        connections=fields.maybe("connections", document.whole(1, _MOST_CONNECTIONS), _CONNECTIONS),
    )  # fmt: skip
    fields.finish()
    return found


class PostgresLogin:
    """Implements `Maker`.

    Args:
        resolve: Where a server is; no other address is dialled.
        seconds: For all that one step asks.
    """

    def __init__(self, resolve: Resolve, *, seconds: float = SECONDS) -> None:
        self._resolve = resolve
        self._seconds = seconds
        self._threads = Threads("postgres-maker", 4)

    async def prepare(self, order: Order) -> Prepared:
        """Its name; asks nobody."""
        return Prepared(handle={"user": f"remit_{order.lease}"})

    async def make(self, order: Order, prepared: Prepared) -> Made:
        """Make the role. Raises Refused, Unclear."""
        settings, role = _settings(order), _role(prepared.handle)
        password = Secret(secrets.token_urlsafe(_ENTROPY))
        until = rfc3339(order.ends)
        await self._as_admin(order, partial(_made, settings, role, password, until))
        return Made(
            material=Material(value=password, attributes={"user": role}), handle=prepared.handle, ends=order.ends
        )

    async def end(self, order: Order) -> None:
        """Keep it out, end its sessions, drop it. Raises Refused, Unclear."""
        settings, role = _settings(order), _role(order.handle)
        await self._as_admin(order, partial(_ended, settings, role))

    async def gone(self, order: Order) -> bool:
        """Whether the server has no such role, and no session of it. Raises Refused, Unclear."""
        return await self._as_admin(order, partial(_gone, _role(order.handle)))

    async def _as_admin(self, order: Order, work: Callable[[psycopg.Connection[Any]], T]) -> T:
        settings = _settings(order)
        try:
            admin = order.admin(settings.admin)
        except SecretUnavailable as error:
            raise Unclear(f"{settings.admin} is not there to sign in with", detail=error.public) from error
        user = settings.admin_user or admin.attributes.get("user", "")
        if not user:
            raise Refused(f"as whom to sign in with {settings.admin} is not known: it has no attribute user")
        end = ends_after(self._seconds)
        addresses = await self._resolve(settings.server.host, settings.server.port)
        login = Login(user=user, password=admin.value)
        return await self._threads.run(visit, settings.server, login, work, addresses=addresses, end=end)


def _made(settings: Settings, role: str, password: Secret, until: str, connection: psycopg.Connection[Any]) -> None:
    from psycopg import sql  # noqa: PLC0415 - an extra

    verifier = connection.pgconn.encrypt_password(password.reveal(), role.encode(), b"scram-sha-256").decode()
    statement = sql.SQL(  # a utility statement takes no parameters
        "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT"
        " CONNECTION LIMIT {} PASSWORD {} VALID UNTIL {} IN ROLE {}"
    )
    groups = sql.SQL(", ").join(map(sql.Identifier, settings.roles))
    connection.execute(
        statement.format(
            sql.Identifier(role), sql.Literal(settings.connections), sql.Literal(verifier), sql.Literal(until), groups
        )
    )


def _ended(settings: Settings, role: str, connection: psycopg.Connection[Any]) -> None:
    from psycopg import errors, sql  # noqa: PLC0415 - an extra

    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
        return
    name = sql.Identifier(role)
    connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(name))
    connection.commit()  # first: a session that ends must not come back
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,))
    connection.commit()  # all of them are told before any is waited for
    waiting = "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE usename = %s"
    connection.execute(waiting, (_PATIENCE, role))
    connection.commit()
    if _sessions(role, connection):  # of a role that is gone they have no name by which anybody would find them
        raise Unclear("its sessions have not ended yet")
    try:
        connection.execute(sql.SQL("DROP ROLE {}").format(name))
    except errors.DependentObjectsStillExist:
        connection.rollback()
    else:
        return
    _inherited(settings.roles[0], role, connection)
    connection.execute(sql.SQL("DROP ROLE {}").format(name))


def _inherited(group: str, role: str, connection: psycopg.Connection[Any]) -> None:
    """What it owns in this database goes to its first group: its work stays, and it can be dropped."""
    from psycopg import sql  # noqa: PLC0415 - an extra

    names = (sql.Identifier(role), sql.Identifier(group))
    member = connection.execute(_MEMBER, (group,)).fetchone() is not None
    with_all = " WITH INHERIT TRUE, SET TRUE" if connection.info.server_version >= _PER_MEMBERSHIP else ""
    for name in names:  # by its own hand, within this transaction
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER" + with_all).format(name))
    connection.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(*names))
    connection.execute(sql.SQL("DROP OWNED BY {}").format(names[0]))
    if with_all:  # what it granted itself, beside what others did
        connection.execute(sql.SQL("REVOKE {} FROM CURRENT_USER GRANTED BY CURRENT_USER").format(names[1]))
    elif not member:  # one membership, whoever granted it
        connection.execute(sql.SQL("REVOKE {} FROM CURRENT_USER").format(names[1]))


def _gone(role: str, connection: psycopg.Connection[Any]) -> bool:
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    return found is None and not _sessions(role, connection)


def _sessions(role: str, connection: psycopg.Connection[Any]) -> bool:
    found = connection.execute("SELECT 1 FROM pg_stat_activity WHERE usename = %s", (role,)).fetchone()
    connection.commit()  # what is seen of sessions is kept until a transaction ends
    return found is not None


def _role(handle: Mapping[str, str]) -> str:
    """The role of a lease. Raises Refused: none that was ever made here, which is not Remit's to drop."""
    role = handle.get("user", "")
    if not role.startswith("remit_lea_"):
        raise Refused("this lease names no role that was made for one")
    return role


def _settings(order: Order) -> Settings:
    try:
        return read(order.settings)
    except SpecInvalid as error:
        raise Refused(f"its settings: {error.public}") from error
