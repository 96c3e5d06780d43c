"""What `remit doctor` says of what opens the database at the next start, and of this process's own memory."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from remit.kernel.errors import KeysUnavailable, RemitError
from remit.keys.hardening import Standing
from remit.keys.roots_sql import StoredRoot
from remit.keys.service import KeyRing
from remit.server import health
from remit.server.health import Check
from remit.server.key_provider import PASSPHRASE, kind_of, provider_of
from remit.server.settings import Settings

_MEMORY: Final = "memory"
# Variables that hold a secret itself: whoever starts this process, and a crash reporter, have them. Files are for that.
_SECRETS: Final = ("BAO_TOKEN", "PGPASSWORD", "REMIT_TOKEN", "VAULT_TOKEN")


def provider(settings: Settings, keys: KeyRing, stored: Callable[[], Collection[StoredRoot]]) -> Check:
    """Whether what the settings name still opens the database. Asks it, and may take seconds.

    A provider that does not answer stops nothing here: the keys are in memory. The next start would wait for it.

    Args:
        settings: What this process was started with.
        keys: What it opened then.
        stored: Reads the root keys as they are now, and holds no connection while the provider is asked.
    """
    kind = kind_of(settings)
    if settings.passphrase_fd is not None:
        return health.ok(PASSPHRASE, "a passphrase, handed over at the start")
    try:
        asked = provider_of(settings)
        keys.check(stored(), asked)
        return health.ok(kind, asked.health())
    except KeysUnavailable as error:
        detail = f"{error.public}; decisions go on, the next start waits for it ({error.detail})"
        return health.warn(kind, detail, error.try_)
    except RemitError as error:
        return health.fail(kind, f"{error.public}; the next start will refuse", error.try_)


def environment(names: Collection[str]) -> list[Check]:
    """A warning if a variable of one of these names is a secret; else nothing."""
    held = [name for name in _SECRETS if name in names]
    if not held:
        return []
    return [health.warn("environment", f"holds {', '.join(held)}", "start it without: secrets come from files")]


def memory(found: Standing) -> Check:
    """What the kernel lets others see of this process."""
    if not found.known:
        return health.ok(_MEMORY, "hardened on Linux only")
    if found.dumpable or found.core:
        detail = "debuggers and core files see every secret"
        return health.warn(_MEMORY, detail, "start without --unsafe-dumpable")
    locked = "kept out of swap" if found.locked else "not kept out of swap (LimitMEMLOCK=infinity does that)"
    return health.ok(_MEMORY, f"no core file, no debugger; {locked}")
