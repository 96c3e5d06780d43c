"""An agent in a tight loop of tools/call through the gateway: one JSON line on stdout per answered call.

Each line is `[number, started, answered, code]`: the call's own argument, `time.monotonic_ns` before it was
sent and after its whole answer was read (one clock for all processes of a machine), and "" or the denial's code.
Standard library only and no event loop, so that little but Remit stands between a freeze and its refusal.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.estate import AGENTS, HEADERS, SERVER, body

from remit.sdk import keyfile
from remit.sdk.token import token

AGENT = next(iter(AGENTS))


def code_of(status: int, answer: bytes) -> str:
    """The denial's code; empty for an allowed call that was answered."""
    message: dict[str, Any] = json.loads(answer) if status == http.client.OK else {}
    if "error" in message:
        return str(message["error"].get("data", {}).get("code", f"error {message['error']['code']}"))
    if "result" not in message:
        return f"status {status}"
    result = message["result"]
    return str(result["structuredContent"]["code"]) if result.get("isError") else ""


def main(remit: str, key: str) -> None:
    """Loop until nobody reads what is printed."""
    path = f"/mcp/{SERVER}"
    url, loaded = remit + path, keyfile.load(key)
    held, grant = token(AGENT, loaded, "bench", url=remit)
    connection = http.client.HTTPConnection(urlsplit(remit).netloc)
    number, code = 0, ""
    while True:
        number += 1
        if held.due and not code:
            held, grant = token(AGENT, loaded, "bench", url=remit, instance_key=grant.instance)
        headers = {
            **HEADERS,
            "Authorization": f"DPoP {held.access_token}",
            "DPoP": grant.proof("POST", url, held),
        }
        sent, started = body(number), time.monotonic_ns()
        connection.request("POST", path, body=sent, headers=headers)
        answer = connection.getresponse()
        read = answer.read()
        answered = time.monotonic_ns()
        code = code_of(answer.status, read)
        print(json.dumps([number, started, answered, code]), flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2])
    except BrokenPipeError:
        sys.stderr.close()
