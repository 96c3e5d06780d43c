"""A log in its first second, verified while it gets its first checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tests.unit.audit.test_audit_tamper import in_place, live

from remit.audit.source import Stretch
from remit.audit.source_live import LiveSource
from remit.audit.verify import verify

if TYPE_CHECKING:
    from tests.unit.audit.conftest import Ledger


class Growing(LiveSource):
    """A server on which something happens between the answer about checkpoints and that about entries."""

    def __init__(self, ledger: Ledger, happens: Callable[[], object]) -> None:
        super().__init__(live(ledger)._get)
        self.happens = happens

    def stretches(self, until: int | None) -> Iterator[Stretch]:
        self.happens()
        return super().stretches(until)


def test_a_log_that_is_signed_for_the_first_time_while_it_is_read_is_in_order(ledger: Ledger) -> None:
    ledger.record(ledger.change("first"), ledger.change("second"))
    report = verify(Growing(ledger, ledger.sequence))
    assert (report.ok, report.size, report.count, report.first_bad_index) == (True, 2, 2, None)


def test_positions_that_no_checkpoint_covers_are_wrong_however_often_they_are_read(ledger: Ledger) -> None:
    ledger.grow(2)
    in_place(ledger, "DELETE FROM checkpoints")
    read = list[None]()
    report = verify(Growing(ledger, lambda: read.append(None)))
    assert (report.ok, report.first_bad_index, len(read)) == (False, 0, 2)
