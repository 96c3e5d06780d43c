"""Where the console's pages are."""

from __future__ import annotations

from typing import Final

PATH: Final = "/console"
AUTHORIZE: Final = f"{PATH}/authorize"
CONSENTS: Final = f"{PATH}/consents"
CONNECTED: Final = f"{PATH}/connected"
SIGN_IN: Final = f"{PATH}/sign-in"  # leads to the provider
BACK: Final = f"{SIGN_IN}/back"  # takes its answer
