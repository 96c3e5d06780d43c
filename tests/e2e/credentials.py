"""A real provider beside a real server, with a secret whose document says how it is changed there."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.peers import upstream

NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
NAME = {"http": "api-key", "oauth_client": "client-secret"}
FIRST = {"http": "the-first-key-of-all", "oauth_client": "the-first-secret-of-all"}
PLACE = {"http": "/keys", "oauth_client": "/secrets"}


@dataclass(frozen=True)
class Provider:
    """The process of `credential_server.py`."""

    url: str

    def state(self) -> dict[str, Any]:
        """What is alive there, and what happened."""
        return self._ask("/_state")

    def hold(self, what: str, when: str) -> None:
        """Let the next request that begins so wait."""
        self._ask("/_hold", {"what": what, "when": when})

    def go(self) -> None:
        """Let it go on."""
        self._ask("/_go", {})

    def _ask(self, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.url + path, data)  # noqa: S310 - a process of this test
        with NO_PROXY.open(asked, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


@contextlib.contextmanager
def provider(folder: Path) -> Iterator[Provider]:
    """It runs for as long as the block."""
    command = [sys.executable, str(Path(__file__).with_name("credential_server.py"))]
    with upstream(command, os.environ, folder / "provider.log") as url:
        yield Provider(url.removesuffix("/mcp"))


def rotate(rotator: str, url: str) -> dict[str, Any]:
    """How each rotator changes its secret there."""
    if rotator == "oauth_client":
        return {
            "token_url": f"{url}/token", "client_id": "remit", "secrets": f"{url}/secrets", "sign": {"user": "remit"},
            "by_hand": {"key_id": "s0"},
        }  # fmt: skip
    return {
        "create": {"method": "POST", "url": f"{url}/keys", "body": {"label": "{mark}"}},
        "value_at": "/key",
        "attributes_at": {"id": "/id"},
        "by_hand": {"id": "k0"},
        "verify": {"url": f"{url}/api/me", "headers": {"Authorization": "Bearer {value}"}},
        "revoke": {"method": "DELETE", "url": f"{url}/keys/{{id}}"},
        "confirm": {"url": f"{url}/keys/{{id}}"},
        "leftovers": {"url": f"{url}/keys", "items": "", "label_at": "/label"},
    }


def write(files: Path, url: str, *, drain: str = "1s", every: str | None = None) -> None:
    """The owner, and a secret for each rotator."""
    owners = [{"owner": "dana", "name": "Dana Reyes", "email": "dana@example.test"}]
    documents: dict[str, Any] = {"owners": owners}
    for rotator, name in NAME.items():
        said: dict[str, Any] = {"drain": drain, rotator: rotate(rotator, url)}
        said |= {} if every is None else {"every": every}
        documents[f"secrets/{name}"] = {"secret": name, "owner": "dana", "rotate": said}
    for name, value in documents.items():
        path = files / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")


def register(files: Path, remit: Callable[..., Any]) -> None:
    """The first values, and the documents."""
    for rotator, name in NAME.items():
        done = remit("secret", "set", name, stdin=FIRST[rotator])
        assert done.code == 0, done.err
    done = remit("apply", str(files), "--approve", "--as", "dana")
    assert done.code == 0, done.out + done.err


def never_without_one(log: list[dict[str, str]], first: str) -> None:
    """No credential was deleted while no other one that was seen to work was alive."""
    alive, seen = {first}, {first}
    for each in log:
        name = each["name"]
        match each["what"]:
            case "made":
                alive.add(name)
            case "used":
                seen.add(name)
            case _:
                alive.discard(name)
                assert alive & seen, (each, log)
