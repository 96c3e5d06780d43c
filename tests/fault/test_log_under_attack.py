"""Somebody with the database and the log's key: what they do to the log is found, up to the kept checkpoint.

The data directory is a real server's. What the attacker does not hold is the checkpoint that the
command line keeps outside of it. Each attack is verified as a person would: with `remit audit
verify`, offline, of a server that runs on what was left, and of what that server exports.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tests.e2e.running import Done, Home, waited
from tests.fault.lived import Estate, lived
from tests.fault.serving import Server
from tests.fault.thief import Thief

from remit.audit.checkpoint import Checkpoint, VerifierKey, parse, sign
from remit.keys.jwk import ED25519, generate, private_key
from remit.storage import bundle

INTEGRITY = 8


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    return lived(tmp_path_factory.mktemp("estate"))


# the attacks: each returns the first entry that is not as it was ---------------------------------


def _decision(thief: Thief) -> int:
    return thief.find(lambda said: said["kind"] == "decision" and said.get("code") == "invalid_arguments")


def edit(thief: Thief, _: Estate) -> int:
    index = _decision(thief)
    with thief.database() as database:
        number, slot, headers = thief.at(database, index)
        headers[slot] = headers[slot].replace(b"invalid_arguments", b"xnvalid_arguments")
        thief.put(database, number, headers)
    return index


def delete(thief: Thief, _: Estate) -> int:
    """The row is gone and those behind it move up."""
    index = _decision(thief)
    with thief.database() as database:
        number, slot, headers = thief.at(database, index)
        first, count = index - slot, len(headers)
        thief.drop(database, number)
        for (behind,) in database.execute(
            "SELECT first FROM bundles WHERE first > ? ORDER BY first", (first,)
        ).fetchall():
            database.execute("UPDATE bundles SET first = ? WHERE first = ?", (behind - count, behind))
    return first


def reorder(thief: Thief, _: Estate) -> int:
    index = _decision(thief)
    with thief.database() as database:
        size = "SELECT bundle, first FROM bundles WHERE count = 1 AND first >= ? ORDER BY first LIMIT 2"
        (one, first), (two, second) = database.execute(size, (index,)).fetchall()
        for number, to in ((one, None), (two, first), (one, second)):
            database.execute("UPDATE bundles SET first = ? WHERE bundle = ?", (to, number))
    return int(first)


def truncate(thief: Thief, _: Estate) -> int:
    """The newest entries are gone, and the checkpoint stays."""
    with thief.database() as database:
        rows = database.execute("SELECT bundle, first FROM bundles ORDER BY first DESC LIMIT 3").fetchall()
        for number, _first in rows:
            thief.drop(database, number)
    return int(min(first for _, first in rows))


def roll_back(thief: Thief, estate: Estate) -> int:
    """The whole database as it was earlier: every signature on it is good."""
    shutil.copy(Home(estate.early).data / "remit.db", thief.file)
    return parse(thief.note()).size


def fork(thief: Thief, estate: Estate) -> int:
    """The database as it was earlier, and from there another history, longer than the true one."""
    size = parse(thief.note()).size
    roll_back(thief, estate)
    rows = thief.rows()
    branch = len(rows)
    rows += [rows[-1].saying(id=f"dec_{number:026d}", note="another history") for number in range(size)]
    thief.rewrite(rows)
    return branch


def rewrite(thief: Thief, _: Estate) -> int:
    """One old entry says something else, and everything that depends on it is made anew and signed."""
    index, rows = _decision(thief), thief.rows()
    rows[index] = rows[index].saying(code="none")
    thief.rewrite(rows)
    return index


def rewrite_and_grow(thief: Thief, estate: Estate) -> int:
    index = rewrite(thief, estate)
    rows = thief.rows()
    thief.rewrite([*rows, rows[-1].saying(id="out_" + "0" * 26)])
    return index


def drop_one_and_rewrite(thief: Thief, _: Estate) -> int:
    index, rows = _decision(thief), thief.rows()
    thief.rewrite([*rows[:index], *rows[index + 1 :]])
    return index


def forge_a_root(thief: Thief, _: Estate) -> int:
    """A signed checkpoint over nothing: another root for the same entries."""
    thief.publish(thief.sign(parse(thief.note()).size, bytes(32)))
    return 0


def forge_a_size(thief: Thief, _: Estate) -> int:
    point = parse(thief.note())
    thief.publish(thief.sign(point.size + 5, point.root))
    return point.size


def forge_a_signature(thief: Thief, _: Estate) -> int:
    """The attacker's own key stands in the database, and has signed all of it."""
    jwk = generate(ED25519)
    key, old = private_key(jwk), parse(thief.note())
    public_key = key.public.key
    assert isinstance(public_key, Ed25519PublicKey)
    own = VerifierKey(old.origin, public_key.public_bytes_raw())
    thief.publish(sign(Checkpoint(old.origin, old.size, old.root), own, key.sign))
    public = json.dumps({name: value for name, value in jwk.items() if name != "d"})
    with thief.database() as database:
        database.execute("UPDATE signing_keys SET public = ? WHERE use = 'log'", (public,))
    return 0


def swap_payloads(thief: Thief, _estate: Estate) -> int:
    rows = thief.rows()
    one, two = [index for index, row in enumerate(rows) if row.payload][:2]
    with thief.database() as database:
        first, second = thief.at(database, one)[0], thief.at(database, two)[0]
        read = "SELECT sealed FROM payloads WHERE bundle = ?"
        (a,), (b,) = database.execute(read, (first,)).fetchone(), database.execute(read, (second,)).fetchone()
        for sealed, number in ((b, first), (a, second)):
            database.execute("UPDATE payloads SET sealed = ? WHERE bundle = ?", (sealed, number))
    return one


def flip_a_payload(thief: Thief, _: Estate) -> int:
    rows = thief.rows()
    index = [index for index, row in enumerate(rows) if row.payload][5]
    with thief.database() as database:
        number, slot, headers = thief.at(database, index)
        (sealed,) = database.execute("SELECT sealed FROM payloads WHERE bundle = ?", (number,)).fetchone()
        parts = bundle.unpack(sealed)
        assert len(parts) == len(headers)
        parts[slot] = parts[slot][:-1] + bytes([parts[slot][-1] ^ 1])
        database.execute("UPDATE payloads SET sealed = ? WHERE bundle = ?", (bundle.pack(parts), number))
    return index


Attack = Callable[[Thief, Estate], int]
# What is said of the first bad entry: "exact" (it is that one), "from" (it is that one or one behind it), "short" (the
# log ends here, and whether what is left is the same does not show), "" (nothing).
ATTACKS: dict[Attack, str] = {
    edit: "exact",
    delete: "exact",
    reorder: "exact",
    truncate: "exact",
    roll_back: "short",
    fork: "from",
    rewrite: "from",
    rewrite_and_grow: "from",
    drop_one_and_rewrite: "short",
    forge_a_root: "",
    forge_a_size: "exact",
    forge_a_signature: "from",
    swap_payloads: "exact",
    flip_a_payload: "exact",
}
# Seen where entries are read from what the server itself exports; the others only against a kept checkpoint.
IN_AN_EXPORT = {edit, delete, reorder, truncate, forge_a_root, forge_a_size}


def attacked(made: Estate, attack: Attack, to: Path) -> tuple[Home, int]:
    home = made.copy(to)
    return home, attack(Thief(home.data, home.keyfile), made)


def _found(done: Done, index: int, how: str) -> None:
    assert done.code == INTEGRITY, done.out + done.err
    report = done.json
    assert not report["ok"]
    found = report["first_bad_index"]
    assert report["exact"] is (how == "exact"), report
    assert (found is None) is (how == ""), report
    if how == "exact":
        assert found == index
    if how == "from":
        assert found <= index
    if how == "short":
        assert found == report["size"]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_offline_it_is_found(made: Estate, tmp_path: Path, attack: Attack) -> None:
    home, index = attacked(made, attack, tmp_path / "home")
    command = ("audit", "verify", "--data", str(home.data), "--keyfile", str(home.keyfile))
    _found(home.remit(*command, "--json"), index, ATTACKS[attack])
    said = home.remit(*command).out.splitlines()[-1]
    if ATTACKS[attack] == "exact":
        assert said == f"FAILED: entry {index} is the first that is not as it was"
    elif ATTACKS[attack]:
        assert said.startswith("FAILED: from entry ")
    else:
        assert said == "FAILED"


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_server_that_runs_on_it_is_found_out(made: Estate, tmp_path: Path, attack: Attack) -> None:
    home, index = attacked(made, attack, tmp_path / "home")
    with Server(home) as server:
        process = server.spawn()
        assert process.stdout is not None
        if "api" not in json.loads(process.stdout.readline()):
            # It saw by itself, at its start, that a key is not its own, or the state of another time than the log.
            process.communicate(timeout=60)
            assert process.returncode == INTEGRITY, server.log.read_text()
            return
        done = server.remit("audit", "verify", "--json")
        assert done.code == INTEGRITY, done.out
        if ATTACKS[attack] == "exact":
            assert done.json["first_bad_index"] == index
        file = str(tmp_path / "export.json")

        def found() -> bool:
            exported = server.remit("audit", "export", "--out", file)
            return exported.code == INTEGRITY or home.remit("audit", "verify", "--export", file).code == INTEGRITY

        if attack is rewrite:  # while it has as many entries as were kept, its root is seen to be another
            assert server.remit("unfreeze", "agent", "support-bot").code == 0
            assert waited(lambda: not found())
        assert found() is (attack in IN_AN_EXPORT)
        assert server.end() == 0


def test_an_export_that_is_changed_on_its_way_is_found(made: Estate, tmp_path: Path) -> None:
    home = made.copy(tmp_path / "home")
    file = tmp_path / "export.json"
    with Server(home) as server:
        server.start()
        assert server.remit("audit", "export", "--out", str(file)).code == 0
    assert home.remit("audit", "verify", "--export", str(file)).code == 0
    whole = json.loads(file.read_text())
    assert whole["count"] == len(whole["entries"]) == parse(whole["checkpoint"]).size, "all of the log"
    changes: dict[str, Callable[[dict[str, Any]], object]] = {
        "edited": lambda body: body["entries"][7].update(header=body["entries"][6]["header"]),
        "deleted": lambda body: body["entries"].pop(7),
        "reordered": lambda body: body["entries"].insert(7, body["entries"].pop(8)),
        "moved": lambda body: body.update(first=1),
        "another proof": lambda body: body["entries"][7].update(proof=body["entries"][8]["proof"]),
        "without proof": lambda body: body["entries"][7].update(proof=[]),
        "another checkpoint": lambda body: body.update(checkpoint=body["checkpoint"].replace("\n", "\n1", 1)),
        "tail cut": lambda body: body["entries"].__delitem__(slice(7, None)),
        "empty": lambda body: body.update(entries=[]),
        "empty, and says so": lambda body: body.update(entries=[], count=0),
    }
    for name, change in changes.items():
        body = json.loads(json.dumps(whole))
        change(body)
        file.write_text(json.dumps(body))
        done = home.remit("audit", "verify", "--export", str(file), "--json")
        assert done.code == INTEGRITY, name
        if name in {"edited", "deleted", "reordered", "another proof", "without proof"}:
            assert (done.json["first_bad_index"], done.json["exact"]) == (7, True), name
        if name == "tail cut":
            assert (done.json["first_bad_index"], done.json["exact"]) == (7, False), name
    # Whoever cuts it and says so shows a part, and no more than that is called verified.
    body = whole | {"entries": whole["entries"][:7], "count": 7}
    file.write_text(json.dumps(body))
    done = home.remit("audit", "verify", "--export", str(file))
    size = len(whole["entries"])
    assert done.code == 0, done.out
    assert f"verified: entries 0..6 of {size}, root" in done.out
    assert f"the rest  NOT CHECKED: {size - 7} of {size} entries are not in this file: 7..{size - 1}" in done.out


def test_behind_the_kept_checkpoint_a_rewritten_entry_is_not_found_and_that_is_said(
    made: Estate, tmp_path: Path
) -> None:
    """The honest limit: with the key, what came after the newest kept checkpoint can be made anew."""
    home = made.copy(tmp_path / "home", kept=made.early)
    (note,) = (home.path / ".local/state/remit/checkpoints").glob("remit-dep_*[!y]")
    kept = parse(note.read_text()).size
    thief = Thief(home.data, home.keyfile)
    rows = thief.rows()
    index = next(
        index for index, row in enumerate(rows) if index >= kept and row.said.get("code") == "invalid_arguments"
    )
    rows[index] = rows[index].saying(code="none")
    thief.rewrite(rows)
    done = home.remit("audit", "verify", "--data", str(home.data), "--keyfile", str(home.keyfile), "--json")
    assert done.code == 0, done.out
    rest = done.json["steps"][7]
    assert (rest["step"], rest["status"]) == (8, "not checked")
    assert rest["detail"].startswith(f"{len(rows) - kept} entries after the kept checkpoint, from {kept} on")
    # One entry earlier it is found.
    again = made.copy(tmp_path / "again", kept=made.early)
    thief, rows = Thief(again.data, again.keyfile), Thief(again.data, again.keyfile).rows()
    rows[kept - 1] = rows[kept - 1].saying(note="made anew")
    thief.rewrite(rows)
    done = again.remit("audit", "verify", "--data", str(again.data), "--json")
    assert (done.code, done.json["steps"][6]["status"]) == (INTEGRITY, "failed")
    text = home.remit("audit", "verify", "--data", str(home.data)).out
    assert "NOT CHECKED" in next(line for line in text.splitlines() if line.startswith(" 9."))


def test_without_a_kept_checkpoint_nothing_is_claimed(made: Estate, tmp_path: Path) -> None:
    home, _ = attacked(made, rewrite, tmp_path / "home")
    shutil.rmtree(home.path / ".local" / "state")
    text = home.remit("audit", "verify", "--data", str(home.data)).out.splitlines()
    for step in (1, 7, 9):
        assert "NOT CHECKED" in text[step - 1], text[step - 1]
        assert "✓" not in text[step - 1]


def test_the_wrong_keyfile_opens_nothing(made: Estate, tmp_path: Path) -> None:
    home = made.copy(tmp_path / "home")
    other = tmp_path / "safe" / "keyfile"
    other.parent.mkdir(mode=0o700)
    other.write_text("00" * 32)
    other.chmod(0o400)
    done = home.remit("audit", "verify", "--data", str(home.data), "--keyfile", str(other))
    assert done.code == 3, done.out + done.err
    assert home.remit("audit", "verify", "--keyfile", str(other)).code == 2


def test_the_file_is_damaged(made: Estate, tmp_path: Path) -> None:
    """No thief, a disk: a page of zeros is an integrity failure, and no crash."""
    home = made.copy(tmp_path / "home")
    file = home.data / "remit.db"
    with sqlite3.connect(file) as database:
        (size,) = database.execute("PRAGMA page_size").fetchone()
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'bundles'").fetchone()
    content = bytearray(file.read_bytes())
    content[(root - 1) * size : root * size] = bytes(size)
    file.write_bytes(content)
    assert home.remit("audit", "verify", "--data", str(home.data)).code == INTEGRITY


# verdicts derived again, with no server --------------------------------------------------------------


def _verdict(home: Home) -> tuple[str, int]:
    rows = Thief(home.data, home.keyfile).rows()
    index = next(index for index, row in enumerate(rows) if row.said["kind"] == "verdict")
    return rows[index].said["id"], index


def test_a_verdict_is_derived_again_from_the_data_directory(made: Estate, tmp_path: Path) -> None:
    home = made.copy(tmp_path / "home")
    verdict, index = _verdict(home)
    done = home.remit("certify", "replay", verdict, "--data", str(home.data), "--json")
    assert (done.code, done.json["replay"], done.json["index"]) == (0, "same", index), done.err
    assert done.json["recorded"] == done.json["derived"]
    with Server(home) as server:
        server.start()
        assert server.remit("certify", "replay", verdict, "--json").json == done.json, "the server says the same"


def test_all_verdicts_are_derived_again_in_another_process_and_what_was_changed_beside_them_is_named(
    made: Estate, tmp_path: Path
) -> None:
    home = made.copy(tmp_path / "home")
    verdict, index = _verdict(home)
    done = home.remit("certify", "replay", "--all", "--data", str(home.data), "--json")
    assert (done.code, done.json["differs"]) == (0, []), done.err
    assert done.json["counts"]["same"] >= 1
    with Server(home) as server:
        server.start()
        assert server.remit("certify", "replay", "--all", "--json").json == done.json, "the server says the same"
    with contextlib.closing(sqlite3.connect(home.data / "remit.db", isolation_level=None)) as database:
        database.execute("UPDATE boundaries SET purpose = 'other'")
    done = home.remit("certify", "replay", "--all", "--data", str(home.data), "--json")
    assert done.code == INTEGRITY
    assert (verdict, index, "policy") in [(each["id"], each["index"], each["cause"]) for each in done.json["differs"]]
    assert "cause:    policy" in home.remit("certify", "replay", verdict, "--data", str(home.data)).out
    assert home.remit("certify", "replay", verdict, "--all").code == home.remit("certify", "replay").code == 2


def test_a_verdict_that_was_changed_does_not_come_out_the_same(made: Estate, tmp_path: Path) -> None:
    home = made.copy(tmp_path / "home")
    verdict, index = _verdict(home)
    thief = Thief(home.data, home.keyfile)
    rows = thief.rows()
    statement = rows[index].said["statement"]
    asked = statement["ask"]
    rows[index] = rows[index].saying(statement={**statement, "ask": {**asked, "risk": 900_000}})
    thief.rewrite(rows)
    done = home.remit("certify", "replay", verdict, "--data", str(home.data))
    assert done.code == INTEGRITY, done.out
    assert "derived:" in done.out
    rows[index] = rows[index].saying(statement={"engine": statement["engine"], "ask": 5})
    thief.rewrite(rows)
    assert home.remit("certify", "replay", verdict, "--data", str(home.data)).code == INTEGRITY


def test_what_is_no_verdict_is_not_derived(made: Estate, tmp_path: Path) -> None:
    home = made.copy(tmp_path / "home")
    decision = Thief(home.data, home.keyfile).rows()[_decision(Thief(home.data, home.keyfile))].said["id"]
    assert home.remit("certify", "replay", decision, "--data", str(home.data)).code == 2
    assert home.remit("certify", "replay", "ver_of_nobody", "--data", str(home.data)).code == 2
    assert home.remit("certify", "replay", "ver_of_nobody", "--data", str(tmp_path / "nowhere")).code == 2
