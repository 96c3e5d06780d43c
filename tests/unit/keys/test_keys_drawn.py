"""Random bytes that are drawn ahead are given out once: in one process, in many threads, in a copy of the process."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from remit.keys import drawn as module
from remit.keys.drawn import drawn

_COPIED = """
import os
from remit.kernel.names import new_id
from remit.keys.drawn import drawn
drawn(12), new_id("dec")  # something is there to be copied
read, write = os.pipe()
said = lambda: f"{drawn(32).hex()} {new_id('dec')[-12:]}"
if os.fork() == 0:
    os.write(write, said().encode())
    os._exit(0)
os.wait()
print(said(), os.read(read, 200).decode())
"""


@pytest.mark.parametrize("size", [1, 12, 32, 4096])
def test_as_many_as_were_asked_for(size: int) -> None:
    assert [len(drawn(size)) for _ in range(300)] == [size] * 300


def test_none_is_given_out_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[bytes] = []

    def system(size: int) -> bytes:
        given.append(os.urandom(size))
        return given[-1]

    class Os:
        urandom = staticmethod(system)

    monkeypatch.setattr(module, "os", Os)
    monkeypatch.setattr(module, "_rest", b"")
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(drawn, [16] * 4096))
    assert sorted(found) == sorted(each[at : at + 16] for each in given for at in range(0, 4096, 16))
    assert len(set(found)) == 4096


def test_a_copy_of_the_process_gives_out_others() -> None:
    done = subprocess.run([sys.executable, "-c", _COPIED], capture_output=True, text=True, check=True)
    nonce, noise, its_nonce, its_noise = done.stdout.split()
    assert nonce != its_nonce
    assert noise != its_noise
