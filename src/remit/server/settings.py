"""Everything that can be set about a server, with its default; and where its files live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from remit.console.provider import Provider
from remit.kernel.clock import SECOND
from remit.kernel.errors import ConfigInvalid, Malformed
from remit.keys.held import TokenKey, TransitKey
from remit.keys.rotation import Schedule
from remit.tokens.nonce import NonceUse

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8470
_MAX_PORT = 65535
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
MEBIBYTE = 1 << 20


def data_directory(environ: Mapping[str, str]) -> Path:
    """`$XDG_DATA_HOME/remit`, where a server keeps its data unless told otherwise."""
    return _xdg(environ, "XDG_DATA_HOME", ".local/share") / "remit"


def keyfile_path(environ: Mapping[str, str]) -> Path:
    """`$XDG_CONFIG_HOME/remit/keyfile`: outside the data directory, so that a copy of the data opens nothing."""
    return _xdg(environ, "XDG_CONFIG_HOME", ".config") / "remit" / "keyfile"


def checkpoint_directory(environ: Mapping[str, str]) -> Path:
    """`$XDG_STATE_HOME/remit/checkpoints`: outside the data directory, so that a rollback of it shows."""
    return _xdg(environ, "XDG_STATE_HOME", ".local/state") / "remit" / "checkpoints"


def _xdg(environ: Mapping[str, str], variable: str, fallback: str) -> Path:
    # XDG base directory specification: a relative path in the variable is invalid and is ignored.
    value = environ.get(variable, "")
    return Path(value) if value.startswith("/") else Path(environ.get("HOME") or Path.home()) / fallback


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one server process runs. Lengths are bytes, times microseconds."""

    data: Path  # this process's own directory: lock, admin token, instance.json, and SQLite's file
    keyfile: Path
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT  # 0: any free one
    database: str | None = None  # postgresql://...; None: SQLite in `data`
    public_url: str | None = None  # what agents call this server by, when it stands behind a proxy; None: host:port
    dev: bool = False  # the admin token may act as anyone; loopback only
    accept_state: bool = False  # what was changed behind the log's back is recorded as it is, and not refused
    body_limit: int = MEBIBYTE
    refresh_every: int = 5 * SECOND  # how often each server's tools are imported again
    passphrase_file: Path | None = None  # opens the database in the keyfile's place
    passphrase_fd: int | None = None  # the same from an open descriptor; 0 is standard input
    key_provider: TokenKey | TransitKey | None = None  # the same in a token, or at a service
    dumpable: bool = False  # debuggers may attach and a crash may leave a core file, with every secret in it
    key_schedule: Schedule = field(default_factory=Schedule)  # how signing keys are rotated
    dpop_nonce: NonceUse = NonceUse.OFF  # where a proof needs a nonce
    tls_certificate: Path | None = None  # this server's own, PEM with what it was signed by; None: no TLS here
    tls_key: Path | None = None  # None: it stands in the same file
    trusted_proxies: tuple[str, ...] = ()  # addresses and networks whose `Client-Cert` header is believed
    one_place: tuple[str, ...] = ()  # networks whose addresses are one place, such as those of one NAT
    client_ca: Path | None = None  # the authorities of clients' certificates, PEM
    client_secrets: bool = False  # clients may authenticate with a secret
    webhooks: tuple[str, ...] = ()  # URLs that are told what people are asked, and of emergencies
    mail_relay: tuple[str, int] | None = None  # host and port that mails are handed to; None: none are sent
    mail_from: str = "remit@localhost"
    callback_hosts: tuple[tuple[str, int], ...] = ()  # where agents may be called back besides public https
    proxy: tuple[str, int] | None = None  # where the forward proxy listens, on loopback; None: it is off
    sign_in: Provider | None = None  # where the console's people sign in, besides by links
    unsafe_keep_echoed: bool = False  # a server that sends its credential back has its answer withheld, and no more
    loop_denials: int = 500  # of the same question within 10 s: then its agent is suspended; 0: never
    drain: int = 5 * SECOND  # how long open calls may take to end after SIGTERM

    @property
    def sqlite_file(self) -> Path:
        """The database's file, if `database` names no other database."""
        return self.data / "remit.db"

    @property
    def instance_file(self) -> Path:
        """Where a running server says its URL, pid and the admin token's path."""
        return self.data / "instance.json"

    @property
    def admin_token_file(self) -> Path:
        """The admin token, mode 0600."""
        return self.data / "admin.token"

    def __post_init__(self) -> None:
        # Its clients send their tokens in the clear, as stock clients do to a proxy.
        if self.proxy is not None and self.proxy[0] not in LOOPBACK:
            raise ConfigInvalid("the forward proxy is for this machine only", try_="--proxy 127.0.0.1:8471")

    @property
    def loopback(self) -> bool:
        """Whether it listens on this machine only."""
        return self.host in LOOPBACK


def passphrase(file: Path | None, descriptor: int | None) -> tuple[Path | None, int | None]:
    """What `--passphrase-file FILE` (`-` is standard input) and `--passphrase-fd N` mean: a file, or a descriptor.

    Raises:
        Malformed: Both, or no descriptor.
    """
    if file is not None and descriptor is not None:
        raise Malformed(
            "--passphrase-file and --passphrase-fd are two ways of handing it over", try_="name one of them"
        )
    if descriptor is not None and descriptor < 0:
        raise Malformed("--passphrase-fd is the number of an open descriptor")
    if file is not None and str(file) == "-":
        return None, 0
    return (None if file is None else file.absolute()), descriptor


def nonce_use(text: str) -> NonceUse:
    """What `--dpop-nonce` says.

    Raises:
        Malformed: Nothing that is known.
    """
    if text not in set(NonceUse):
        raise Malformed("--dpop-nonce is off, token or both", detail=text)
    return NonceUse(text)


def listen_address(text: str, *, option: str = "--listen") -> tuple[str, int]:
    """Read `HOST:PORT` (`[::1]:8470` for IPv6), where port 0 means any free one; `option` says it.

    Raises:
        Malformed: It is not one.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > _MAX_PORT:
        raise Malformed(f"{option} is HOST:PORT, such as 127.0.0.1:8470", detail=text)
    return host, int(port)
