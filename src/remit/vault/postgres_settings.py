"""Which PostgreSQL server a document means, and the names that stand there. Pure."""

from __future__ import annotations

from typing import Final

from remit.kernel.errors import Malformed
from remit.people import document
from remit.people.document import Fields
from remit.vault.postgres_session import Server

SERVER: Final = frozenset({"host", "port", "database", "sslmode", "sslrootcert"})
_PORT: Final = 5432
_LONGEST: Final = 63  # PostgreSQL cuts longer names off, without an error
_SYSTEM: Final = "system"  # libpq: the authorities that the system trusts


def read_server(fields: Fields) -> Server:
    """The server that settings name (`SERVER`); what is wrong with them is noted in `fields`."""
    # No `prefer`: it goes on without TLS where somebody between says that there is none.
    ssl = document.choice("disable", "require", "verify-ca", "verify-full")
    server = Server(
        host=fields.take("host", _host),
        port=fields.maybe("port", document.whole(1, 65535), _PORT),
        database=fields.take("database", role_name),
        sslmode=fields.maybe("sslmode", ssl, "verify-full"),
        certificates=fields.maybe("sslrootcert", document.text(most=1024), _SYSTEM),
    )
    if fields.has("sslrootcert") and server.sslmode in {"disable", "require"}:
        fields.problem("sslrootcert", "no certificate is checked in this sslmode")
    if server.sslmode == "verify-ca" and server.certificates == _SYSTEM:
        fields.problem("sslrootcert", "is missing: any name with a certificate of a public authority would do")
    return server


def _host(value: object) -> str:
    host = document.text(most=255)(value)
    if not host.isascii() or any(char in host for char in "/,=@ '\\"):  # a path would be a socket's
        raise Malformed("a host is a name or an address, without a port")
    return host


def role_name(value: object) -> str:
    """A name of PostgreSQL's, as it stands there: it is quoted wherever it goes."""
    name = document.text(most=_LONGEST)(value)
    if not name.isascii() or ":" in name or name.startswith("pg_"):
        raise Malformed("printable ASCII without a colon is expected, and no name of PostgreSQL's own (pg_...)")
    return name
