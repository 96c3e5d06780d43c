"""A provider of API keys and of OAuth client secrets, and an API behind each. Says {"port": N}.

/keys         keys of the API, by a key: POST {label}, PUT /ID {key, label}, GET, DELETE /ID
/secrets      secrets of the client `remit`, by one of them (Basic): POST {label}, GET, DELETE /ID
/token        a token for a secret (RFC 6749 section 4.4)
/api/...      200 with a key that is alive, else 401
/tokens/...   200 with a token, else 401
/_hold        {"what": "POST /keys", "when": "before" or "after"}: the next such request waits, with its effect
              before it or after it; /_go lets it go on
/_state       what is alive, what is held, and everything that happened, in its order
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import sys
from typing import Any

import uvicorn

Answer = tuple[int, Any]


class Provider:
    """What is alive, and what happened."""

    def __init__(self) -> None:
        self.keys = {"k0": {"key": "the-first-key-of-all", "label": "by hand"}}
        self.secrets = {"s0": {"key": "the-first-secret-of-all", "label": "by hand"}}
        self.tokens: set[str] = set()
        self.log: list[dict[str, str]] = []
        self.made = 0
        self.hold: dict[str, str] = {}
        self.held = ""
        self.go = asyncio.Event()

    async def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if path.startswith("/_"):
            return self._control(path, body)
        await self._waited(method, path, "before")
        found = self._done(method, path, headers, body)
        await self._waited(method, path, "after")
        return found

    async def _waited(self, method: str, path: str, when: str) -> None:
        if self.hold.get("when") == when and f"{method} {path}".startswith(self.hold.get("what", "-")):
            self.held, self.hold = f"{method} {path}", {}
            await self.go.wait()
            self.held = ""

    def _control(self, path: str, body: bytes) -> Answer:
        if path == "/_hold":
            self.hold = json.loads(body)
            self.go.clear()
        elif path == "/_go":
            self.hold = {}
            self.go.set()
        return 200, {"keys": self.keys, "secrets": self.secrets, "held": self.held, "log": self.log}

    def _done(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        place, _, name = path.removeprefix("/").partition("/")
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        match place:
            case "token":
                return self._token(scheme, shown)
            case "tokens":
                return (200, {}) if shown in self.tokens else (401, {})
            case "api":
                works = self._who(self.keys, shown)
                if works:
                    self._say("used", works)
                return (200, {"used": works}) if works else (401, {})
            case "keys" if self._who(self.keys, shown):
                return self._managed(self.keys, "key", method, name, body)
            case "secrets" if self._who(self.secrets, _password(shown)):
                return self._managed(self.secrets, "client_secret", method, name, body)
        return 401, {}

    def _who(self, known: dict[str, dict[str, str]], shown: str) -> str:
        return next((name for name, each in known.items() if each["key"] == shown), "")

    def _token(self, scheme: str, shown: str) -> Answer:
        who = self._who(self.secrets, _password(shown)) if scheme == "Basic" else ""
        if not who:
            return 401, {"error": "invalid_client"}
        self._say("used", who)
        self.tokens.add(token := f"token-{len(self.tokens)}-of-{who}")
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600}

    def _managed(self, known: dict[str, dict[str, str]], field: str, method: str, name: str, body: bytes) -> Answer:
        if method == "GET":
            if name:
                return (200 if name in known else 404), {}
            return 200, [{"id": each, "label": said["label"]} for each, said in known.items()]
        if method == "DELETE":
            if known.pop(name, None) is not None:
                self._say("deleted", name)
            return 204, None
        said = json.loads(body)
        self.made += 1
        name = name or f"{field[0]}{self.made}"
        known[name] = {"key": said.get("key", f"made-by-the-provider-{self.made:04}"), "label": said.get("label", "")}
        self._say("made", name)
        return 201, {"id": name, field: known[name]["key"]}

    def _say(self, what: str, name: str) -> None:
        self.log.append({"what": what, "name": name})


def _password(shown: str) -> str:
    try:
        return base64.b64decode(shown).decode().partition(":")[2]
    except ValueError:
        return ""


PROVIDER = Provider()


async def app(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    status, said = await PROVIDER.answer(scope["method"], scope["path"], headers, body)
    written = b"" if said is None else json.dumps(said).encode()
    kind = [(b"content-type", b"application/json"), (b"content-length", str(len(written)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [] if said is None else kind})
    await send({"type": "http.response.body", "body": written})


async def main() -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    sys.stdout.write(json.dumps({"port": listener.getsockname()[1]}) + "\n")
    sys.stdout.flush()
    config = uvicorn.Config(app, log_level="critical", lifespan="off")
    await uvicorn.Server(config).serve([listener])


if __name__ == "__main__":
    asyncio.run(main())
