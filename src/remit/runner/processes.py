"""Which process stands at the other end of a loopback connection (Linux), read from `/proc`.

The kernel lists every TCP socket with its owner and its inode, and every process with the
sockets it holds. A connection is the run's own if its socket belongs to the run's user and
one of the run's processes, the command and all that descend from it, holds it. A process
that lets itself be reparented stays in the tree, because the run adopts it
(PR_SET_CHILD_SUBREAPER).
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

Address = tuple[str, int]

_ESTABLISHED: Final = "01"
_MAPPED: Final = bytes(10) + b"\xff\xff"


def is_own(proc: Path, *, client: Address, server: Address, uid: int, root: int) -> bool:
    """Whether a process below `root` made the connection.

    Args:
        proc: The mounted process file system.
        client: The connecting end, IPv4.
        server: Our end.
        uid: The user the run's processes run as.
        root: The process whose descendants are the run's; itself it is none of them.
    """
    found = owner(proc, client=client, server=server)
    return found is not None and found[0] == uid and _held(proc, found[1], root)


def owner(proc: Path, *, client: Address, server: Address) -> tuple[int, int] | None:
    """The uid and inode of the client's socket; None if it is not there (any more)."""
    # An IPv4 connection of a dual-stack socket (Java's, for one) stands in the other table.
    for table, show in (("tcp", _v4), ("tcp6", _mapped)):
        wanted = (show(client), show(server), _ESTABLISHED)
        for line in _lines(proc / "net" / table):
            fields = line.split()
            if tuple(fields[1:4]) == wanted:
                return int(fields[7]), int(fields[9])
    return None


def descendants(proc: Path, root: int) -> set[int]:
    """The processes below `root`, without it."""
    children: dict[int, list[int]] = {}
    for pid in _pids(proc):
        parent = _parent(proc, pid)
        if parent is not None:
            children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = [root]
    while waiting:
        new = [pid for pid in children.get(waiting.pop(), ()) if pid not in found and pid != root]
        found.update(new)
        waiting += new
    return found


def _held(proc: Path, inode: int, root: int) -> bool:
    return any(_holds(proc, pid, f"socket:[{inode}]") for pid in descendants(proc, root))


def _holds(proc: Path, pid: int, name: str) -> bool:
    folder = proc / str(pid) / "fd"
    try:
        return any(_link(folder, entry) == name for entry in os.listdir(folder))  # noqa: PTH208 - names are enough
    except OSError:  # it ended, or hides what it holds
        return False


def _link(folder: Path, entry: str) -> str:
    try:
        return os.readlink(folder / entry)  # noqa: PTH115 - the text of the link, which is no path
    except OSError:
        return ""


def _pids(proc: Path) -> Iterator[int]:
    return (int(name) for name in os.listdir(proc) if name.isdigit())  # noqa: PTH208 - names are enough


def _parent(proc: Path, pid: int) -> int | None:
    try:
        said = (proc / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name in brackets may hold anything, brackets and spaces too.
    return int(said.rpartition(b")")[2].split()[1])


def _lines(table: Path) -> list[str]:
    try:
        return table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []


def _v4(address: Address) -> str:
    return _shown(socket.inet_aton(address[0]), address[1])


def _mapped(address: Address) -> str:
    return _shown(_MAPPED + socket.inet_aton(address[0]), address[1])


def _shown(octets: bytes, port: int) -> str:
    """As the kernel prints it: words of 32 bits in the machine's own order."""
    words = (octets[at : at + 4] for at in range(0, len(octets), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words) + f":{port:04X}"
