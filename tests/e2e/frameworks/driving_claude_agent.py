"""Claude Agent SDK and the Claude Code that it brings, against a small server that speaks the Messages API."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from claude_agent_sdk import ClaudeAgentOptions, create_sdk_mcp_server, query, tool
from driving import ACTIONS, Case

from remit.sdk.adapters import claude_agent as adapter

PREFIX = "mcp__bank__"


class Messages(ThreadingHTTPServer):
    """Says the next scripted call to whoever offers the bank's tools, and `done` at the end."""

    daemon_threads = True

    def __init__(self, case: Case) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.case, self.told = case, dict[str, str]()

    def said(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        results = [
            block
            for message in asked.get("messages", ())
            if isinstance(message["content"], list)
            for block in message["content"]
            if block.get("type") == "tool_result"
        ]
        for block in results:
            content = block.get("content", "")
            text = content if isinstance(content, str) else "".join(each.get("text", "") for each in content)
            self.told[block["tool_use_id"]] = text
        offered = any(str(each.get("name")).startswith(PREFIX) for each in asked.get("tools", ()))
        if not offered or len(results) >= len(self.case.calls):
            return [{"type": "text", "text": "done"}]
        name, arguments = self.case.calls[len(results)]
        return [{"type": "tool_use", "id": f"toolu_{len(results)}", "name": PREFIX + name, "input": arguments}]


class Handler(BaseHTTPRequestHandler):
    server: Messages

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "count_tokens" in self.path:
            self._answer("application/json", json.dumps({"input_tokens": 1}).encode())
            return
        asked = json.loads(body)
        blocks = self.server.said(asked)
        message = {
            "id": "msg_1", "type": "message", "role": "assistant", "model": asked.get("model", "m"),
            "content": blocks, "stop_reason": "tool_use" if blocks[0]["type"] == "tool_use" else "end_turn",
            "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
        }  # fmt: skip
        if asked.get("stream"):
            self._answer("text/event-stream", b"".join(events(message)))
        else:
            self._answer("application/json", json.dumps(message).encode())

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def events(message: dict[str, Any]) -> Iterator[bytes]:
    """A whole message as server-sent events."""

    def event(kind: str, **data: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()

    begun = {**message, "content": [], "stop_reason": None}
    yield event("message_start", message=begun)
    for at, block in enumerate(message["content"]):
        if block["type"] == "text":
            empty, delta = {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            empty, delta = (
                {**block, "input": {}},
                {"type": "input_json_delta", "partial_json": json.dumps(block["input"])},
            )
        yield event("content_block_start", index=at, content_block=empty)
        yield event("content_block_delta", index=at, delta=delta)
        yield event("content_block_stop", index=at)
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield event("message_delta", delta=stop, usage={"output_tokens": 1})
    yield event("message_stop")


@contextmanager
def serving(case: Case) -> Iterator[Messages]:
    server = Messages(case)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def play(case: Case) -> list[str]:
    @tool("transfer", "Pay.", {"to": str, "amount": float, "currency": str})
    async def transfer(given: dict[str, Any]) -> dict[str, Any]:
        return {"content": [{"type": "text", "text": case.paid(given["to"], given["amount"], given["currency"])}]}

    @tool("purge", "Delete all.", {})
    async def purge(_given: dict[str, Any]) -> dict[str, Any]:
        return {"content": [{"type": "text", "text": case.purged()}]}

    actions = {PREFIX + name: action for name, action in ACTIONS.items()}
    with serving(case) as server, tempfile.TemporaryDirectory() as home:
        (Path(home) / "work").mkdir()
        options = ClaudeAgentOptions(
            tools=[], allowed_tools=sorted(actions), setting_sources=[], max_turns=10, cwd=str(Path(home) / "work"),
            mcp_servers={"bank": create_sdk_mcp_server("bank", tools=[transfer, purge])}, strict_mcp_config=True,
            hooks=adapter.remit_hooks(case.guard, actions), system_prompt="Go on.", model="claude-sonnet-4-5",
            env={
                "HOME": home, "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{server.server_port}",
                "ANTHROPIC_API_KEY": "none", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "CLAUDE_CONFIG_DIR": str(Path(home) / "config"), "PATH": os.environ["PATH"], "DISABLE_AUTOUPDATER": "1",
            },
        )  # fmt: skip
        async for _ in query(prompt="go on", options=options):
            pass
    return [server.told[name] for name in sorted(server.told)]
