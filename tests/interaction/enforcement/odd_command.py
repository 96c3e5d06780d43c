"""A command that says what no server should: `python odd_command.py HOW LEDGER`. Handshake era, no library."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

HOW, LEDGER = sys.argv[1], Path(sys.argv[2])
TOOL = {"name": "do", "description": "x", "inputSchema": {"type": "object", "properties": {}}}


def say(value: Any) -> None:
    sys.stdout.write((value if isinstance(value, str) else json.dumps(value)) + "\n")
    sys.stdout.flush()


def called(message: dict[str, Any]) -> None:
    if HOW == "garbage":
        for _ in range(3):
            say("this is not a message")
        say({"jsonrpc": "2.0", "id": message["id"], "result": {"content": [{"type": "text", "text": "after all"}]}})
    elif HOW == "only-garbage":
        for _ in range(100):
            say("[1, 2")
        time.sleep(600)
    elif HOW == "long-line":
        sys.stdout.write(f'{{"jsonrpc":"2.0","id":{message["id"]},"result":"')
        for _ in range(100):
            sys.stdout.write("x" * (1 << 20))
        say('"}')
        time.sleep(600)
    elif HOW == "silent":
        LEDGER.write_text("called", encoding="utf-8")
        time.sleep(600)
    elif HOW == "asks":
        say({"jsonrpc": "2.0", "id": "mine", "method": "sampling/createMessage", "params": {}})
        LEDGER.write_text(sys.stdin.readline(), encoding="utf-8")
        say({"jsonrpc": "2.0", "id": message["id"], "result": {"content": []}})
    elif HOW == "foreign":
        say({"jsonrpc": "2.0", "id": 999_999, "result": {"content": [{"type": "text", "text": "of another"}]}})
        say({"jsonrpc": "2.0", "id": message["id"], "result": {"content": [{"type": "text", "text": "mine"}]}})


def tools() -> list[dict[str, Any]]:
    if HOW != "changes":
        return [TOOL]
    starts = len(LEDGER.read_text(encoding="utf-8")) if LEDGER.exists() else 0
    return [TOOL | {"description": f"start {starts}"}]


if HOW == "changes":
    with LEDGER.open("a", encoding="utf-8") as file:
        file.write("s")
for line in sys.stdin:
    message = json.loads(line)
    match message.get("method"):
        case "initialize":
            result = {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "odd", "version": "1"},
            }
            say({"jsonrpc": "2.0", "id": message["id"], "result": result})
        case "tools/list":
            say({"jsonrpc": "2.0", "id": message["id"], "result": {"tools": tools()}})
        case "tools/call":
            called(message)
        case _:
            if "id" in message:
                say({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "Method not found"}})
