"""The rule about processes, over a made-up /proc."""

from __future__ import annotations

from pathlib import Path

import pytest

from remit.runner.processes import descendants, is_own, owner

SERVER = ("127.0.0.1", 8080)
CLIENT = ("127.0.0.1", 40000)
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
MINE, RUN, CHILD, GRANDCHILD, STRANGER = 1000, 10, 11, 12, 50
INODE = 777


class Proc:
    """A process file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "net").mkdir()
        for table in ("tcp", "tcp6"):
            (root / "net" / table).write_text(HEAD)
        self.process(1, 0)
        self.process(RUN, 1)
        self.process(CHILD, RUN)
        self.process(GRANDCHILD, CHILD, name="a) R 1 (b")
        self.process(STRANGER, 1)

    def process(self, pid: int, parent: int, *, name: str = "sh") -> None:
        folder = self.root / str(pid)
        (folder / "fd").mkdir(parents=True, exist_ok=True)
        (folder / "stat").write_text(f"{pid} ({name}) S {parent} {pid} {pid} 0 -1 4194560 0 0\n")

    def holds(self, pid: int, inode: int) -> None:
        (self.root / str(pid) / "fd" / "3").symlink_to(f"socket:[{inode}]")

    def socket(
        self, *, table: str = "tcp", local: str = "0100007F:9C40", remote: str = "0100007F:1F90", state: str = "01",
        uid: int = MINE, inode: int = INODE,
    ) -> None:  # fmt: skip
        line = f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000  {uid}        0 {inode} 1 0 20\n"
        with (self.root / "net" / table).open("a") as file:
            file.write(line)

    def own(self) -> bool:
        return is_own(self.root, client=CLIENT, server=SERVER, uid=MINE, root=RUN)


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


@pytest.mark.parametrize("pid", [CHILD, GRANDCHILD])
def test_the_command_and_what_it_starts_may(proc: Proc, pid: int) -> None:
    proc.socket()
    proc.holds(pid, INODE)
    assert proc.own()


def test_what_the_run_adopted_may(proc: Proc) -> None:
    proc.process(GRANDCHILD, RUN)  # its parent ended, and the run is its reaper
    proc.socket()
    proc.holds(GRANDCHILD, INODE)
    assert proc.own()


@pytest.mark.parametrize("pid", [STRANGER, 1, RUN])
def test_a_process_outside_the_tree_may_not(proc: Proc, pid: int) -> None:
    proc.socket()
    proc.holds(pid, INODE)
    assert not proc.own()


def test_what_was_reparented_to_another_may_not(proc: Proc) -> None:
    proc.process(GRANDCHILD, 1)
    proc.socket()
    proc.holds(GRANDCHILD, INODE)
    assert not proc.own()


def test_another_users_socket_may_not(proc: Proc) -> None:
    proc.socket(uid=1001)
    proc.holds(CHILD, INODE)
    assert not proc.own()


def test_a_socket_that_nobody_holds_may_not(proc: Proc) -> None:
    proc.socket()
    assert not proc.own()


def test_a_connection_that_is_not_there_may_not(proc: Proc) -> None:
    proc.holds(CHILD, INODE)
    assert not proc.own()


def test_another_connection_does_not_stand_in(proc: Proc) -> None:
    proc.holds(CHILD, INODE)
    proc.socket(remote="0100007F:1F91")  # the child's, to another port
    proc.socket(local="0100007F:9C41")  # the child's, from another port
    proc.socket(local="0100007F:1F90", remote="0100007F:9C40")  # the other end of it: our own
    proc.socket(state="06")  # over
    assert not proc.own()


def test_a_dual_stack_socket_stands_in_the_other_table(proc: Proc) -> None:
    mapped = "0000000000000000FFFF00000100007F"
    proc.socket(table="tcp6", local=f"{mapped}:9C40", remote=f"{mapped}:1F90", inode=5)
    assert owner(proc.root, client=CLIENT, server=SERVER) == (MINE, 5)
    proc.holds(CHILD, 5)
    assert proc.own()


def test_a_machine_without_ipv6(proc: Proc) -> None:
    (proc.root / "net" / "tcp6").unlink()
    assert not proc.own()


def test_a_process_that_ends_meanwhile_is_passed_over(proc: Proc) -> None:
    (proc.root / str(GRANDCHILD) / "stat").unlink()
    (proc.root / str(CHILD) / "fd").rmdir()
    proc.socket()
    assert not proc.own()
    assert descendants(proc.root, RUN) == {CHILD}


def test_a_tree_with_a_ring_ends(proc: Proc) -> None:
    proc.process(CHILD, GRANDCHILD)
    proc.process(GRANDCHILD, CHILD)
    proc.process(RUN, CHILD)
    assert descendants(proc.root, RUN) == set()
    assert descendants(proc.root, CHILD) == {RUN, GRANDCHILD}
