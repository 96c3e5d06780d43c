"""A PostgreSQL login: two roles that take turns, so that the one in use is never touched.

Remit chooses the password, so that making it may be repeated. The server gets a SCRAM-SHA-256 verifier that is computed
here (RFC 5803): a password in a statement would stand in its log.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from remit.keys.secret import Secret
from remit.people import document
from remit.people.document import Fields, SpecInvalid
from remit.threads import Threads
from remit.vault.document import Cause
from remit.vault.model import Material, SecretUnavailable
from remit.vault.postgres_session import SECONDS, Login, NotLetIn, Server, ends_after, visit
from remit.vault.postgres_settings import SERVER, read_server, role_name
from remit.vault.rotator import Plan, Refused, Resolve, Unclear

if TYPE_CHECKING:
    import psycopg

T = TypeVar("T")
_ENTROPY: Final = 32  # bytes
_AT_ONCE: Final = (Cause.EXPOSURE, Cause.FREEZE)
_ONE: Final = "SELECT 1"
_SHORT: Final = 1900  # milliseconds, for each of two pauses and a statement: less than `HOLDS` together
_SOON_OVER: Final = (
    "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true),"
    " set_config('idle_in_transaction_session_timeout', %s, true)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """As they stand in a secret's document under `postgres`."""

    server: Server
    roles: tuple[str, ...]
    admin: str
    admin_user: str  # empty: the admin secret's attribute `user`
    verify: str


def read(settings: Mapping[str, Any]) -> Settings:
    """The settings.

    Raises:
        SpecInvalid: They have problems.
    """
    fields = Fields(settings, known={*SERVER, "roles", "admin", "admin_user", "verify"})
    server = read_server(fields)
    roles = fields.take("roles", document.distinct(document.items(role_name, least=2, most=2)))
    admin_user = fields.maybe("admin_user", role_name, "")
    if roles and admin_user in roles:
        fields.problem("admin_user", "is one of the two roles: it would lock itself out")
    admin = fields.take("admin", document.name("a secret"))
    verify = fields.maybe("verify", document.text(most=2000), _ONE)
    fields.finish()
    return Settings(server=server, roles=roles, admin=admin, admin_user=admin_user, verify=verify)


class PostgresRole:
    """Implements `Rotator`.

    Args:
        resolve: Where a server is; no other address is dialled.
        seconds: For all that one step asks.
    """

    def __init__(self, resolve: Resolve, *, seconds: float = SECONDS) -> None:
        self._resolve = resolve
        self._seconds = seconds
        self._threads = Threads("postgres-rotator", 4)

    def propose(self, plan: Plan) -> Material:
        """A password for the role that nobody uses now. Raises Refused: both are in use, or which one is not known."""
        roles = _settings(plan).roles
        used = [plan.current.attributes] if plan.current is not None else []
        taken = {each.get("user", "") for each in (*used, *plan.known)}
        free = [role for role in roles if role not in taken]
        # A password of neither role may be anybody's: which of the two could be changed, nobody knows.
        if not free or not taken <= set(roles):
            raise Refused(
                f"which of {' and '.join(roles)} is free is not known: set the current version with its user",
                detail=plan.secret,
                try_=f"remit secret set {plan.secret} --attribute user={roles[0]}",
            )
        return Material(value=Secret(secrets.token_urlsafe(_ENTROPY)), attributes={"user": free[0]})

    async def create(self, plan: Plan, proposed: Material | None) -> Material:
        """Give it its password, and let it log in. Raises Refused, Unclear."""
        if proposed is None:
            raise Refused("a role's password is proposed before it is set", detail=plan.secret)
        await self._as_admin(plan, partial(_let_in, plan, _role(plan, proposed), proposed.value))
        return proposed

    async def verify(self, plan: Plan, new: Material) -> None:
        """Log in, and do what the settings say. Raises Refused: it does not work; Unclear."""
        settings = _settings(plan)
        login = Login(user=_role(plan, new), password=new.value)
        await self._visit(settings, login, partial(_tried, settings.verify))

    async def revoke(self, plan: Plan, old: Material) -> None:
        """It cannot log in any more; exposed or frozen, its sessions end. Raises Refused, Unclear."""
        role = _role(plan, old)
        if plan.current is not None and plan.current.attributes.get("user") == role:
            raise Refused(f"calls use {role}")
        await self._as_admin(plan, partial(_keep_out, plan, role, ends=plan.cause in _AT_ONCE))

    async def gone(self, plan: Plan, old: Material) -> bool:
        """Whether the server says so of it, and does not let it in. Raises Refused, Unclear."""
        role = _role(plan, old)
        if not await self._as_admin(plan, partial(_out, role, ended=plan.cause in _AT_ONCE)):
            return False
        try:
            await self._visit(_settings(plan), Login(user=role, password=old.value), partial(_tried, _ONE))
        except NotLetIn:
            return True
        return False

    async def _as_admin(self, plan: Plan, work: Callable[[psycopg.Connection[Any]], T]) -> T:
        settings = _settings(plan)
        try:
            admin = plan.admin(settings.admin)
        except SecretUnavailable as error:
            raise Unclear(f"{settings.admin} is not there to sign in with", detail=error.public) from error
        user = settings.admin_user or admin.attributes.get("user", "")
        if not user or user in settings.roles:
            raise Refused(f"as whom to sign in with {settings.admin} is not known: it has no attribute user")
        return await self._visit(settings, Login(user=user, password=admin.value), work)

    async def _visit(self, settings: Settings, login: Login, work: Callable[[psycopg.Connection[Any]], T]) -> T:
        end = ends_after(self._seconds)
        addresses = await self._resolve(settings.server.host, settings.server.port)
        return await self._threads.run(visit, settings.server, login, work, addresses=addresses, end=end)


def _begun(plan: Plan, connection: psycopg.Connection[Any]) -> None:
    """Begin a transaction that is over soon, by the server's own clock, and see then that the step is still ours.

    Attack, or bad luck: a process that is stopped before its statement leaves wakes up when the roles have changed
    places, and takes away the one that calls use by now. Whoever is stopped before this question is told no by it;
    whoever is stopped after it finds that the server has ended the session. Both pauses and the statement together
    take no longer than the step is held for (`HOLDS`).

    Raises:
        Unclear: Another attempt has taken the step, or may soon.
    """
    connection.execute(_SOON_OVER, (str(_SHORT),) * 3)
    if not plan.holds():
        raise Unclear("another attempt has taken its place")


def _let_in(plan: Plan, role: str, password: Secret, connection: psycopg.Connection[Any]) -> None:
    from psycopg import sql  # noqa: PLC0415 - an extra

    verifier = connection.pgconn.encrypt_password(password.reveal(), role.encode(), b"scram-sha-256").decode()
    _begun(plan, connection)
    statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")  # a utility statement takes no parameters
    connection.execute(statement.format(sql.Identifier(role), sql.Literal(verifier)))


def _tried(statement: str, connection: psycopg.Connection[Any]) -> None:
    connection.execute(statement.encode())
    connection.rollback()  # it was to be seen that it works, not to be done


def _keep_out(plan: Plan, role: str, connection: psycopg.Connection[Any], *, ends: bool) -> None:
    from psycopg import sql  # noqa: PLC0415 - an extra

    _begun(plan, connection)
    connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(sql.Identifier(role)))
    connection.commit()  # first: a session that ends must not come back
    if ends:
        _begun(plan, connection)
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,))


def _out(role: str, connection: psycopg.Connection[Any], *, ended: bool) -> bool:
    asked = "SELECT 1 FROM pg_roles WHERE rolname = %s AND rolcanlogin"
    if connection.execute(asked, (role,)).fetchone() is not None:
        return False
    if not ended:
        return True
    return connection.execute("SELECT 1 FROM pg_stat_activity WHERE usename = %s", (role,)).fetchone() is None


def _role(plan: Plan, it: Material) -> str:
    """The role that a version is of. Raises Refused: none of the two, which is not Remit's to change."""
    role = it.attributes.get("user", "")
    if role not in _settings(plan).roles:
        raise Refused(f"{role or 'a version without a user'} is neither of the two roles")
    return role


def _settings(plan: Plan) -> Settings:
    try:
        return read(plan.settings)
    except SpecInvalid as error:
        raise Refused(f"its settings: {error.public}") from error
