"""The threads that agents' requests work in: their own, so that they fill nobody else's."""

from __future__ import annotations

from typing import Final

from remit.threads import Threads

in_agents_thread: Final = Threads("agents", 32).run
