"""The threads that stops work in: their own, so that no freeze waits behind what people read or agents ask."""

from __future__ import annotations

from typing import Final

from remit.threads import Threads

in_stops_thread: Final = Threads("stops", 8).run
