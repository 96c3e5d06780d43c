"""What opens a database, and its signing keys, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.running import Home, Up

PHRASE = "correct horse battery staple\n"


@pytest.fixture
def phrase(home: Home) -> Path:
    path = home.path / "passphrase"
    path.write_text(PHRASE, encoding="utf-8")
    path.chmod(0o400)
    return path


def kids(home: Home) -> set[str]:
    done = home.remit("key", "list", "--json")
    assert done.code == 0, done.err
    # The key of security events comes by itself, a moment after the first start.
    return {row["kid"] for row in done.json["keys"] if row["use"] != "set"}


def test_from_the_keyfile_to_a_passphrase_and_back(home: Home, phrase: Path) -> None:
    with home.up():
        before = kids(home)
        running = home.remit("key", "rewrap", "--to-passphrase-file", str(phrase))
        assert running.code == 9, running.err  # a server uses the data directory
    done = home.remit("key", "rewrap", "--to-passphrase-file", str(phrase), "--json")
    assert (done.code, done.json["opened_by"]) == (0, "passphrase")
    refused = home.remit("up", "--json", "--listen", "127.0.0.1:0")
    assert refused.code == 3
    assert "--passphrase-file" in refused.err
    with home.up("--passphrase-file", str(phrase)):
        assert kids(home) == before
        assert home.remit("doctor").code == 0
    offline = home.remit("audit", "verify", "--data", str(home.data), "--passphrase-file", str(phrase))
    assert offline.code == 0, offline.out
    # It is in the log, and nowhere else.
    assert not [
        file for file in home.data.rglob("*") if file.is_file() and PHRASE.strip().encode() in file.read_bytes()
    ]
    done = home.remit("key", "rewrap", "--passphrase-file", "-", "--to-keyfile", str(home.path / "new"), stdin=PHRASE)
    assert done.code == 0, done.err
    assert (home.path / "new").stat().st_mode & 0o777 == 0o400
    with home.up("--keyfile", str(home.path / "new")):
        assert kids(home) == before
        changes = home.remit("audit", "verify")
        assert changes.code == 0, changes.out


def test_a_new_database_is_opened_by_its_passphrase_alone(home: Home, phrase: Path) -> None:
    with home.up("--passphrase-file", str(phrase)):
        before = kids(home)
    assert not home.keyfile.exists()
    wrong = home.remit(
        "up", "--json", "--listen", "127.0.0.1:0", "--passphrase-file", "-", stdin="another one of them\n"
    )
    assert (wrong.code, "keyfile_wrong" in wrong.out) == (3, True), wrong
    phrase.chmod(0o444)
    unsafe = home.remit("up", "--json", "--listen", "127.0.0.1:0", "--passphrase-file", str(phrase))
    assert (unsafe.code, "keyfile_unsafe" in unsafe.out) == (3, True), unsafe
    phrase.chmod(0o400)
    link = home.path / "link"
    link.symlink_to(phrase)
    assert home.remit("up", "--json", "--listen", "127.0.0.1:0", "--passphrase-file", str(link)).code == 3
    with home.up("--passphrase-file", str(phrase)):
        assert kids(home) == before


def test_a_rewrap_makes_no_database(home: Home, phrase: Path) -> None:
    done = home.remit("key", "rewrap", "--to-passphrase-file", str(phrase))
    assert done.code == 2, done.err
    assert not (home.data / "remit.db").exists()
    assert not home.keyfile.exists()
    neither = home.remit("key", "rewrap")
    assert neither.code == 2


def test_two_people_rotate(served: Up, home: Home) -> None:
    first = home.remit("key", "rotate", "token", "--as", "dana")
    assert first.code == 11, first.err
    second = home.remit("key", "rotate", "token", "--as", "lee", "--json")
    assert (second.code, second.json["keys"][0]["state"]) == (0, "pending")
    again = home.remit("key", "rotate", "token", "--as", "dana")
    assert again.code == 9, again.err
    kid = second.json["keys"][0]["kid"]
    assert home.remit("key", "retire", kid, "--as", "dana").code == 11
    assert home.remit("key", "retire", kid, "--as", "lee").code == 0
    assert home.remit("key", "retire", "unknown", "--as", "dana").code == 2
    log = home.remit("key", "rotate", "log", "--as", "dana")
    assert (log.code, "every checkpoint so far" in log.err) == (2, True)
    assert served.process.poll() is None


def test_two_people_replace_the_root_key(home: Home, phrase: Path) -> None:
    with home.up("--dev"):
        before = kids(home)
        idle = home.remit("key", "rekey", "--wait", "--json")
        assert (idle.code, idle.json["under_way"], len(idle.json["roots"])) == (0, False, 1)
        first = home.remit("key", "rekey", "--as", "dana")
        assert (first.code, "a second person" in first.out) == (11, True), first
        second = home.remit("key", "rekey", "--as", "lee", "--json")
        assert (second.code, second.json["keys"][0]["generation"]) == (0, 2), second
        done = home.remit("key", "rekey", "--wait")
        assert done.code == 0, done.err
        assert [line.split()[:2] for line in done.out.splitlines()[1:3]] == [["2", "live"], ["1", "retired"]]
        assert home.remit("key", "rekey", "--status", "--wait").code == 2
        assert kids(home) == before
    # What opens the database opens it as before, and can be changed as before.
    done = home.remit("key", "rewrap", "--to-passphrase-file", str(phrase))
    assert done.code == 0, done.err
    with home.up("--passphrase-file", str(phrase)):
        assert kids(home) == before
        assert home.remit("doctor").code == 0
        verified = home.remit("audit", "verify")
        assert verified.code == 0, verified.out
    offline = home.remit("audit", "verify", "--data", str(home.data), "--passphrase-file", str(phrase))
    assert offline.code == 0, offline.out
