"""People keep secrets with the CLI, of a real server with a real payments server behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.e2e.running import PATIENCE, Home, Up, entry, ok

from remit.sdk.auth import AgentAuth

VALUE = "s3cret-value-of-the-bank"
DOCUMENT = """\
secret: payments-key
owner: dana
allow: [{host: "127.0.0.1:%d", place: "header:Authorization", path: /mcp}]
rotate:
  every: 30d
  on: [exposure]
  http:
    propose: {length: 40, attributes: {id: "{rotation}"}}
    create: {method: PUT, url: "https://bank.example/keys/{id}", body: {key: "{value}"}}
    verify: {url: "https://bank.example/keys", headers: {X-Key: "{value}"}}
    revoke: {method: DELETE, url: "https://bank.example/keys/{id}"}
labels: {team: payments}
"""


@pytest.fixture
def documented(files: Path, payments: int) -> Path:
    (files / "secrets").mkdir()
    (files / "secrets" / "payments-key.yaml").write_text(DOCUMENT % payments, encoding="utf-8")
    return files


@pytest.fixture
def shown(home: Home) -> Callable[..., dict[str, Any]]:
    def show(name: str = "payments-key", command: str = "show") -> dict[str, Any]:
        found: dict[str, Any] = ok(home.remit("secret", command, name, "--json")).json
        return found

    return show


def bent(path: Path, before: str, after: str) -> None:
    """Write something else into a file."""
    said = path.read_text(encoding="utf-8")
    assert before in said
    path.write_text(said.replace(before, after), encoding="utf-8")


def everything(home: Home) -> str:
    """All that the commands print of secrets."""
    said = [
        home.remit("secret", *words, *more)
        for words in (("list",), ("show", "payments-key"), ("versions", "payments-key"), ("history", "payments-key"))
        for more in ((), ("--json",))
    ]
    assert {each.code for each in said} == {0}, said
    return "".join(each.out + each.err for each in said)


def test_a_secret_lives_with_its_document(
    home: Home, served: Up, documented: Path, payments: int, shown: Callable[..., dict[str, Any]]
) -> None:
    assert served.process.poll() is None
    ok(home.remit("secret", "set", "payments-key", "--as", "dana", stdin=VALUE + "\n"))
    assert shown()["owner"] == "dana", "who set it first, until a document says who"
    ok(home.remit("apply", str(documented), "--approve", "--as", "dana"))
    said = shown()
    assert [said[key] for key in ("owner", "kind", "version", "exposed", "rotating", "labels")] == [
        "dana", "static", 1, None, None, {"team": "payments"}
    ]  # fmt: skip
    assert said["allow"] == [{"host": f"127.0.0.1:{payments}", "place": "header:Authorization", "path": "/mcp"}]
    assert said["servers"] == [{"server": "payments", "places": [f"header:Authorization at 127.0.0.1:{payments}/mcp"]}]
    assert (said["rotate"]["every_seconds"], said["rotate"]["on"]) == (30 * 86400, ["exposure"])
    assert said["next_rotation"] is not None
    ok(home.remit("secret", "set", "payments-key", stdin="another-value-of-it"))
    rows = shown(command="versions")["versions"]
    assert [(each["version"], each["state"]) for each in rows] == [(1, "revoked"), (2, "active")]
    told = [(each["change"], each["by"], each.get("version")) for each in shown(command="history")["entries"]]
    assert [(change, version) for change, _, version in told] == [("set", 2), ("document", None), ("set", 1)]
    out = everything(home)
    assert VALUE not in out
    assert "another-value-of-it" not in out
    assert "30d" not in out, "it is said in seconds"


def test_removing_a_secret_erases_it(
    home: Home, served: Up, documented: Path, shown: Callable[..., dict[str, Any]]
) -> None:
    assert served.process.poll() is None
    ok(home.remit("secret", "set", "payments-key", stdin=VALUE))
    ok(home.remit("apply", str(documented), "--approve", "--as", "dana"))
    refused = ok(home.remit("secret", "remove", "payments-key", "--json"), 9).json
    assert (refused["error"]["code"], refused["error"]["title"]) == (
        "conflict", "payments-key is used by the server payments"
    )  # fmt: skip
    done = ok(home.remit("secret", "remove", "payments-key", "--force", "--json"))
    assert done.json == {"secret": "payments-key", "erased": [1]}
    said = shown()
    assert (said["version"], [each["state"] for each in said["versions"]]) == (0, ["revoked"])
    assert entry(home, kind="change", what="secret", change="remove")["versions"] == [1]
    ok(home.remit("secret", "set", "payments-key", stdin=VALUE))
    assert shown()["version"] == 2, "its numbers are never given again"
    ok(home.remit("audit", "verify"))


def test_where_a_secret_may_go_holds_for_calls(home: Home, served: Up, documented: Path, payments: int) -> None:
    ok(home.remit("secret", "set", "payments-key", stdin=VALUE))
    bent(documented / "servers" / "payments.yaml", "header: Authorization", "header: X-Key")
    refused = ok(home.remit("apply", str(documented), "--json", "--as", "dana"), 3).json["error"]
    assert refused["title"].startswith("servers/payments.yaml:")
    assert f"may not go to header:X-Key at 127.0.0.1:{payments}/mcp" in refused["title"]
    assert served.process.poll() is None


def test_values_come_from_stdin_or_from_a_file_that_is_the_persons_own(
    home: Home, served: Up, tmp_path: Path, shown: Callable[..., dict[str, Any]]
) -> None:
    assert served.process.poll() is None
    refused = ok(home.remit("secret", "set", "payments-key", VALUE), 2)
    assert "a value is not given as an argument" in refused.err
    assert VALUE not in refused.err + refused.out
    folder = tmp_path / "own"
    folder.mkdir(mode=0o700)
    file = folder / "value"
    file.write_text(VALUE + "\n", encoding="utf-8")
    file.chmod(0o644)
    unsafe = home.remit("secret", "set", "payments-key", "--file", str(file), "--json")
    assert unsafe.json["error"]["code"] == "keyfile_unsafe"
    file.chmod(0o600)
    ok(home.remit("secret", "set", "payments-key", "--file", str(file), "--attribute", "user=payments_a"))
    (version,) = shown(command="versions")["versions"]
    assert (version["attributes"], version["state"]) == ({"user": "payments_a"}, "active")
    for wrong in ("user", "=x", "User=x", "user=a:b"):
        assert home.remit("secret", "set", "payments-key", "--attribute", wrong, stdin=VALUE).code == 2, wrong


def test_who_sees_and_removes_secrets(home: Home, served: Up, documented: Path) -> None:
    ok(home.remit("secret", "set", "payments-key", stdin=VALUE))
    ok(home.remit("apply", str(documented), "--approve", "--as", "dana"))
    base, path = served.ready["api"], "/v1/secrets/payments-key"
    expected = {
        "owner": ("dana", 200, 403), "operator": ("ann", 200, 409), "security": ("sam", 200, 409),
        "auditor": ("al", 200, 403), "viewer": ("vi", 403, 403),
    }  # fmt: skip
    for role, (person, sees, removes) in expected.items():
        token = ok(home.remit("operator", "token", person, "--role", role, "--json")).json["token"]
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(base_url=base, headers=headers, timeout=PATIENCE, trust_env=False) as client:
            assert (client.get(path).status_code, client.delete(path).status_code) == (sees, removes), role
            assert client.get("/v1/secrets/none").status_code in {403, 404}


def test_a_call_that_would_take_a_secret_elsewhere_is_refused(
    home: Home, served: Up, documented: Path, payments: int
) -> None:
    """The document's places hold at the very call, whatever the server's document says."""
    ok(home.remit("secret", "set", "payments-key", stdin=VALUE))
    other = {
        "server": "other", "kind": "http", "url": f"http://127.0.0.1:{payments}/mcp",
        "operations": {"GET /a": {"tier": "low"}, "GET /b": {"tier": "low"}},
        "credential": {"secret": "other-key", "inject": "bearer"},
    }  # fmt: skip
    (documented / "servers" / "other.yaml").write_text(json.dumps(other), encoding="utf-8")
    secret = {"secret": "other-key", "owner": "lee", "allow": [{"path": "/mcp/a"}]}
    (documented / "secrets" / "other-key.yaml").write_text(json.dumps(secret), encoding="utf-8")
    bent(documented / "purposes" / "pay-invoices.yaml", "transfer]", 'transfer, "other:*"]')
    more = '"payments/list_*"}\n  - {action: "other:GET /a"}\n  - {action: "other:GET /b"}\n'
    bent(documented / "boundaries" / "invoice-bot.yaml", '"payments/list_*"}\n', more)
    ok(home.remit("apply", str(documented), "--approve", "--as", "dana"))
    ok(home.remit("secret", "set", "other-key", stdin="the-other-value"))
    auth = AgentAuth(str(served.ready["api"]), "invoice-bot", documented / "agents" / "invoice-bot", "pay-invoices")
    with httpx2.Client(auth=auth, timeout=PATIENCE, trust_env=False) as client:
        answers = [client.get(f"{served.ready['api']}/http/other/{each}") for each in ("a", "b")]
    assert answers[0].status_code == 404, "the payments server has no such path, and was asked"
    assert (answers[1].status_code, answers[1].json()["code"]) == (503, "enforcement_unavailable")
    assert entry(home, kind="outcome", outcome="not_sent")
