"""Which server a command talks to, and with which token.

`REMIT_URL` with `REMIT_TOKEN` or `REMIT_TOKEN_FILE`; without them the local data
directory's `instance.json`. The local token is never sent to any other address: a
`REMIT_URL` that someone else set must not collect it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remit.kernel.errors import ConfigInvalid, RemitError, Unauthenticated
from remit.server.settings import data_directory


class Unreachable(RemitError):
    """There is no server to talk to, or it does not answer."""

    code = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server's base URL and the token to show it."""

    url: str
    token: str | None


def find(environ: Mapping[str, str]) -> Target:
    """Find the server and token.

    Raises:
        Unreachable: No server is named, and none runs on the local data directory.
        Unauthenticated: The token file cannot be read.
    """
    url = environ.get("REMIT_URL", "").rstrip("/")
    local = _instance(data_directory(environ))
    if url:
        return Target(url=url, token=_token(environ, local if local.get("url") == url else {}))
    if not local:
        raise Unreachable(
            "no Remit is running here", detail="REMIT_URL is not set and no server runs here", try_="remit up"
        )
    return Target(url=local["url"], token=_token(environ, local))


def _instance(data: Path) -> dict[str, Any]:
    try:
        found = json.loads((data / "instance.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigInvalid("instance.json cannot be read", detail=str(error), try_="remit up") from error
    return found if isinstance(found, dict) and isinstance(found.get("url"), str) else {}


def _token(environ: Mapping[str, str], local: Mapping[str, Any]) -> str | None:
    if token := environ.get("REMIT_TOKEN", "").strip():
        return token
    path = environ.get("REMIT_TOKEN_FILE") or local.get("admin_token_file")
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unauthenticated(
            "the token file cannot be read",
            detail=str(error),
            try_="set REMIT_TOKEN or REMIT_TOKEN_FILE to a token made with: remit operator token PERSON --role ROLE",
        ) from error
