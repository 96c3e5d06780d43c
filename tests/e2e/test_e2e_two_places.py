"""One copy's key at two places at once, through a real server behind a proxy: refused, and found by `remit doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.e2e.running import PATIENCE, Home, Up

from remit.sdk import keyfile
from remit.sdk.grant import Grant, proof

OFFICE, THIEF = "192.0.2.1", "198.51.100.7"


@pytest.fixture
def behind(home: Home) -> Iterator[Up]:
    with home.up("--dev", "--trusted-proxy", "127.0.0.1") as up:
        yield up


def test_the_second_is_refused_and_doctor_says_what_to_do(home: Home, behind: Up, files: Path) -> None:
    home.remit("secret", "set", "payments-key", stdin="s3cret-value")
    assert home.remit("apply", str(files), "--approve", "--as", "dana").code == 0
    api, instance = behind.ready["api"], keyfile.fresh()
    key = keyfile.load(files / "agents" / "invoice-bot")
    grant = Grant(api, "invoice-bot", key, "pay-invoices", None, instance)

    def ask(address: str) -> int:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": address,
            "DPoP": proof(instance, "POST", f"{api}/oauth2/token"),
        }  # fmt: skip
        with httpx2.Client(timeout=PATIENCE, trust_env=False) as client:
            return client.post(f"{api}/oauth2/token", content=grant.form(), headers=headers).status_code

    assert [ask(each) for each in (OFFICE, THIEF, OFFICE, THIEF, OFFICE, THIEF)] == [200, 200, 200, 400, 200, 400]
    (found,) = [each for each in home.remit("doctor", "--json").json["checks"] if each["check"] == "instance_conflict"]
    assert found["status"] == "warn"
    assert "invoice-bot: the key of instance" in found["detail"]
    freeze, over = found["try"].split("; when it is over: ")
    assert home.remit(*freeze.split()[1:], "--as", "dana").code == 0
    assert ask(OFFICE) == 400
    agent, signal = "invoice-bot", "instance_conflict"
    assert over.startswith(f"remit agent signal {agent} {signal} --about 'remit: ")
    about = over.split("'")[1]
    assert home.remit("agent", "signal", agent, signal, "--about", about, "--over", "--as", "dana").code == 0
    assert "instance_conflict" not in home.remit("doctor", "--json").out
    told = home.remit("notices", "--json", "--as", "dana")
    assert told.code == 0, told.err
    assert "instance_conflict" in told.out
