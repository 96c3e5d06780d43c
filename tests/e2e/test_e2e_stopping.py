"""SIGTERM while a command waits for another server: it is told so, and nothing is left behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.running import PATIENCE, REMIT, Done, Home


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener


def document(root: Path, listener: socket.socket) -> Path:
    (root / "servers").mkdir(parents=True)
    text = f"server: silent\nurl: http://127.0.0.1:{listener.getsockname()[1]}/mcp\n"
    (root / "servers" / "silent.yaml").write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize("silence", ["takes the request", "refuses the connection"])
@pytest.mark.parametrize("command", ["diff", "apply"])
def test_who_waits_for_a_server_is_told_that_remit_is_stopping(
    home: Home, tmp_path: Path, silent: socket.socket, command: str, silence: str
) -> None:
    files = document(tmp_path / "files", silent)
    with home.up("--dev") as up:
        waiting = subprocess.Popen(
            [REMIT, command, str(files), "--json"], env=home.environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        asked, _ = silent.accept()  # from here on the command waits for that server
        if silence == "refuses the connection":
            silent.close()
            asked.close()  # and now it is tried again and again
        up.process.send_signal(signal.SIGTERM)
        out, err = waiting.communicate(timeout=PATIENCE)
        asked.close()
        done = Done(waiting.returncode, out, err)
        assert done.code == 7, (out, err)
        assert done.json["error"]["code"] == "overloaded"
        assert done.json["error"]["title"] == "Remit is stopping"
        assert up.end() == 0
    for word in ("Traceback", "RuntimeWarning", "never awaited", "Event loop is closed", "unexpected"):
        assert word not in up.err


def test_who_is_asked_again_while_it_ends_still_ends_cleanly(home: Home) -> None:
    with home.up() as up:
        while up.process.poll() is None:
            up.process.send_signal(signal.SIGTERM)
            time.sleep(0.01)
        assert up.end() == 0
    assert home.remit("audit", "verify", "--data", str(home.data)).code == 0
