"""A key is rotated, again and again, under calls all the time: the API that checks it answers 200 to every one."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path

import httpx2
from tests.e2e import credentials
from tests.e2e.credentials import NAME, never_without_one
from tests.e2e.running import PATIENCE, Home, ok
from tests.e2e.test_e2e_http import FILES

from remit.sdk.auth import AgentAuth

ROTATIONS, CLIENTS = 4, 4
OPENAPI = {"openapi": "3.1.0", "paths": {"/items": {"get": {}}}}


def write(files: Path, url: str) -> None:
    """The API behind Remit, with the key, beside the documents of the secrets."""
    server = {
        "server": "billing", "kind": "http", "openapi": "billing.openapi.json", "url": f"{url}/api",
        "credential": {"secret": NAME["http"], "inject": "bearer"}, "operations": {"GET /**": {"tier": "low"}},
    }  # fmt: skip
    purpose = FILES["purposes/work"] | {"actions": ["billing:GET /*"]}
    boundary = FILES["boundaries/bot"] | {"allow": [{"action": "billing:GET /*"}]}
    said = {
        "servers/billing": server, "purposes/work": purpose, "agents/bot": FILES["agents/bot"],
        "boundaries/bot": boundary, "servers/billing.openapi": OPENAPI,
    }  # fmt: skip
    for name, value in said.items():
        path = files / (f"{name}.json" if name.endswith("openapi") else f"{name}.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")


def test_no_call_is_refused_while_a_key_is_rotated(home: Home, tmp_path: Path) -> None:
    files, answers, over = tmp_path / "files", Counter[int](), threading.Event()
    with credentials.provider(tmp_path) as provider, home.up("--dev") as up:
        credentials.write(files, provider.url)
        write(files, provider.url)
        ok(home.remit("agent", "keygen", "bot", "--out", str(files / "agents" / "bot")))
        credentials.register(files, home.remit)

        def calls() -> None:
            auth = AgentAuth(up.ready["api"], "bot", files / "agents" / "bot", "work")
            with httpx2.Client(auth=auth, timeout=PATIENCE, trust_env=False) as http:
                while not over.is_set():
                    answers[http.get(f"{up.ready['api']}/http/billing/items").status_code] += 1

        threads = [threading.Thread(target=calls) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(ROTATIONS):
                ok(home.remit("secret", "rotate", NAME["http"], "--wait"))
        finally:
            over.set()
            for thread in threads:
                thread.join()
        log = provider.state()["log"]
    assert set(answers) == {200}, answers
    assert answers[200] > 100 * ROTATIONS // 4  # they were under way all the time
    used = {each["name"] for each in log if each["what"] == "used"}
    assert len(used) == ROTATIONS + 1
    never_without_one(log, "k0")
    (tmp_path / "answers").write_text(str(answers), encoding="utf-8")
