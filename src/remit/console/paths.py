"""Where the console's pages are."""

from __future__ import annotations

from typing import Final

PATH: Final = "/console"
AUTHORIZE: Final = f"{PATH}/authorize"
CONSENTS: Final = f"{PATH}/consents"
CONNECTED: Final = f"{PATH}/connected"
