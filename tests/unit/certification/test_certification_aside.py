"""Work beside the loop: one after the other, whatever the one before came to, on a thread that ends."""

from __future__ import annotations

import threading

from remit.certification.usage.aside import Aside
from remit.kernel.errors import StorageUnavailable

PATIENCE = 10


def named() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "remit-withdrawals"]


def test_one_after_the_other_and_a_failure_ends_nothing() -> None:
    aside, done, order = Aside(), threading.Event(), list[int]()
    held = threading.Event()

    def fails() -> None:
        held.wait(PATIENCE)
        raise StorageUnavailable("the database is not available")

    def breaks() -> None:
        raise ValueError

    aside(fails)
    aside(breaks)
    for number in range(3):
        aside(lambda number=number: order.append(number))  # type: ignore[misc] # the default
    aside(done.set)
    assert len(named()) == 1
    held.set()
    assert done.wait(PATIENCE)
    for thread in named():
        thread.join(PATIENCE)
    assert order == [0, 1, 2]
    again = threading.Event()
    aside(again.set)  # and it begins anew
    assert again.wait(PATIENCE)
