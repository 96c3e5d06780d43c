"""The commands against a real server and a real MCP server, as the automation contract has them."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.running import BOUNDARY, SERVER, Home, Up, free_port, tree, wait_until_signed

PAYMENT = '{"to": "Acme", "amount": 100, "currency": "EUR"}'


def approved(home: Home, files: Path) -> None:
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    done = home.remit("apply", str(files), "--approve", "--as", "dana")
    assert done.code == 0, done.err


def test_the_example_directory_is_applied_and_waits_for_its_owner(home: Home, served: Up, files: Path) -> None:
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    differs = home.remit("diff", str(files), "--json")
    assert differs.code == 9, differs.err
    applied = home.remit("apply", str(files), "--json")
    assert applied.code == 11, applied.err
    rows = {(row["kind"], row["name"]): row for row in applied.json["changes"]}
    assert rows["owner", "dana"]["change"] == "create"
    assert rows["boundary", "invoice-bot-payments"]["waits"]
    assert home.remit("can", "invoice-bot", "payments/list_invoices").code == 10
    refused = home.remit("boundary", "approve", "invoice-bot-payments")
    assert refused.code == 6, refused.err
    assert "may not approve" in refused.err
    assert home.remit("boundary", "approve", "invoice-bot-payments", "--as", "dana").code == 0
    assert home.remit("apply", str(files)).code == 0
    assert home.remit("diff", str(files)).code == 0


def test_what_is_printed_to_try_works_also_for_an_agent_with_several_purposes(
    home: Home, served: Up, files: Path
) -> None:
    agent = files / "agents" / "invoice-bot.yaml"
    text = agent.read_text(encoding="utf-8")
    agent.write_text(text.replace("[pay-invoices]", "[pay-invoices, file-invoices]"), encoding="utf-8")
    purpose = (files / "purposes" / "pay-invoices.yaml").read_text(encoding="utf-8")
    (files / "purposes" / "other.yaml").write_text(purpose.replace("pay-invoices", "file-invoices"), encoding="utf-8")
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    assert home.remit("apply", str(files)).code == 11
    assert home.remit("can", "invoice-bot", "payments/list_invoices").code == 2
    approve = home.remit("boundary", "approve", "invoice-bot-payments", "--as", "dana")
    mandate = home.remit("mandate", "invoice-bot", "--purpose", "pay-invoices")
    for said in (approve.err, mandate.err):
        tried = next(line for line in said.splitlines() if line.startswith("  try "))
        typed = tried.removeprefix("  try      remit ").split()
        assert home.remit(*typed).code == 0, said
    # A critical one that was suspended: what is printed to try starts it again.
    transfer = ("can", "invoice-bot", "payments/transfer", "--purpose", "pay-invoices", "--args", PAYMENT)
    assert home.remit(*transfer).code == 0
    assert home.remit("activation", "suspend", "invoice-bot", "payments/transfer", "--as", "dana").code == 0
    denied = home.remit(*transfer)
    assert denied.code == 10
    said = next(line for line in denied.err.splitlines() if "activation start" in line)
    typed = said.partition("as its owner: remit ")[2].split()
    assert home.remit(*typed, "--as", "dana").code == 0, said
    assert home.remit(*transfer).code == 0


def test_a_servers_pinned_schemas_are_shown(home: Home, served: Up, files: Path) -> None:
    approved(home, files)
    tools = {each["tool"]: each for each in home.remit("server", "show", "payments", "--json").json["tools"]}
    assert set(tools["transfer"]["input_schema"]["properties"]) == {"to", "amount", "currency"}


def test_can_answers_with_its_exit_code(home: Home, served: Up, files: Path) -> None:
    approved(home, files)

    def can(*arguments: str) -> Any:
        return home.remit("can", "invoice-bot", "payments/transfer", "--arg", "to=Acme", *arguments)

    assert home.remit("can", "invoice-bot", "payments/list_invoices").code == 0
    assert can("--arg", "amount=100", "--arg", "currency=EUR").code == 0
    assert can("--arg", "amount=300.00", "--arg", "currency=EUR").code == 11
    denied = can("--arg", "amount=900", "--arg", "currency=EUR", "--json")
    assert denied.code == 10
    assert denied.json["denial"]["code"] == "constraint_violated"
    assert can("--args", '{"amount": 100, "currency": "USD"}').code == 10
    assert can("--args", "[1]").code == 2
    assert can("--args", '{"amount": 1, "amount": 2}').code == 2
    assert home.remit("can", "nobody", "payments/transfer").code == 2
    assert home.remit("can", "invoice-bot", "payments/delete_payee").code == 10


def test_a_frozen_agent_is_stopped_and_started_again(home: Home, served: Up, files: Path) -> None:
    approved(home, files)
    assert home.remit("freeze", "invoice-bot", "--reason", "strange").code == 0
    assert home.remit("freeze", "--json").json["freezes"][0]["name"] == "invoice-bot"
    denied = home.remit("can", "invoice-bot", "payments/list_invoices", "--json")
    assert (denied.code, denied.json["denial"]["code"]) == (10, "revoked")
    assert home.remit("unfreeze", "invoice-bot").code == 0
    assert home.remit("can", "invoice-bot", "payments/list_invoices").code == 0
    assert home.remit("freeze", "tool", "payments/delete_nothing").code == 2
    assert home.remit("freeze", "agent", "nobody").code in {0, 2}


def test_everything_stops_by_one_and_starts_by_two(home: Home, served: Up, files: Path) -> None:
    approved(home, files)
    assert home.remit("freeze", "all").code == 0
    assert home.remit("can", "invoice-bot", "payments/list_invoices").code == 10
    assert home.remit("unfreeze", "all").code == 11
    assert home.remit("unfreeze", "all").code == 11
    assert home.remit("can", "invoice-bot", "payments/list_invoices").code == 10
    assert home.remit("unfreeze", "all", "--as", "lee").code == 0
    assert home.remit("can", "invoice-bot", "payments/list_invoices").code == 0


def test_an_agent_is_suspended_resumed_and_retired(home: Home, served: Up, files: Path) -> None:
    approved(home, files)
    assert home.remit("agent", "suspend", "invoice-bot").code == 0
    denied = home.remit("can", "invoice-bot", "payments/list_invoices", "--json").json["denial"]
    assert denied["code"] == "agent_suspended"
    assert home.remit("agent", "resume", "invoice-bot").code == 0
    assert home.remit("agent", "retire", "invoice-bot").code == 0
    assert home.remit("agent", "resume", "invoice-bot").code == 9
    assert home.remit("agent", "suspend", "nobody").code == 2


def test_an_operator_may_do_what_their_role_says(home: Home, served: Up, files: Path) -> None:
    approved(home, files)

    def token(person: str, role: str) -> dict[str, str]:
        done = home.remit("operator", "token", person, "--role", role, "--json")
        assert done.code == 0, done.err
        return {"REMIT_TOKEN": done.json["token"]}

    viewer, dana, sam = token("vera", "viewer"), token("dana", "owner"), token("sam", "security")
    assert home.remit("agent", "list", env=viewer).code == 0
    assert home.remit("freeze", "invoice-bot", env=viewer).code == 6
    assert home.remit("apply", str(files), env=viewer).code == 6
    assert home.remit("operator", "token", "eve", "--role", "owner", env=dana).code == 6
    assert home.remit("agent", "list", "--as", "dana", env=viewer).code == 6
    assert home.remit("freeze", "invoice-bot", env=dana).code == 0
    assert home.remit("unfreeze", "invoice-bot", env=sam).code == 0
    assert home.remit("agent", "list", env={"REMIT_TOKEN": "rmt_nobody"}).code == 5
    assert home.remit("operator", "token", "x", "--role", "admin").code == 2
    assert {row["person"] for row in home.remit("operator", "list", "--json").json["tokens"]} == {"vera", "dana", "sam"}


def test_without_dev_nobody_acts_as_another(home: Home, files: Path) -> None:
    with home.up():
        assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
        assert home.remit("apply", str(files)).code == 11
        assert home.remit("boundary", "approve", "invoice-bot-payments", "--as", "dana").code == 6
        token = home.remit("operator", "token", "dana", "--role", "owner").out.strip()
        done = home.remit("boundary", "approve", "invoice-bot-payments", env={"REMIT_TOKEN": token})
        assert done.code == 0, done.err


def test_a_widening_waits_and_the_old_version_stays_in_force(home: Home, served: Up, files: Path) -> None:
    approved(home, files)
    boundary = files / "boundaries" / "invoice-bot.yaml"
    boundary.write_text(BOUNDARY.replace('max: "500.00"}, currency', 'max: "800.00"}, currency'), encoding="utf-8")
    widened = home.remit("apply", str(files), "--json")
    assert widened.code == 11
    row = next(row for row in widened.json["changes"] if row["kind"] == "boundary")
    assert (row["change"], row["waits"]) == ("widen", True)

    def ask() -> int:
        arguments = json.dumps({"to": "Acme", "amount": 600, "currency": "EUR"})
        return home.remit("can", "invoice-bot", "payments/transfer", "--args", arguments).code

    assert ask() == 10
    assert home.remit("boundary", "approve", "invoice-bot-payments", "--as", "lee").code == 0
    assert ask() == 11
    boundary.write_text(BOUNDARY.replace('max: "500.00"}, currency', 'max: "100.00"}, currency'), encoding="utf-8")
    narrowed = home.remit("apply", str(files), "--json")
    assert narrowed.code == 0, narrowed.err
    assert ask() == 10


def test_prune_ends_what_the_directory_no_longer_names(home: Home, served: Up, files: Path) -> None:
    approved(home, files)
    (files / "boundaries" / "invoice-bot.yaml").unlink()
    assert home.remit("diff", str(files)).code == 0
    assert home.remit("diff", str(files), "--prune").code == 9
    assert home.remit("apply", str(files), "--prune").code == 0
    assert home.remit("can", "invoice-bot", "payments/list_invoices").code == 10


NO_END = BOUNDARY.replace("not_after: 2029-03-31\n", "")
BAD = {
    "unknown key": ("agents__invoice-bot", "agent: invoice-bot\nnickname: bot\n", r"agents/invoice-bot.yaml:2"),
    "duplicate key": ("agents__invoice-bot", "agent: a\nagent: b\n", "agents/invoice-bot.yaml:2"),
    "not yaml": ("agents__invoice-bot", "agent: [\n", "agents/invoice-bot.yaml"),
    "no end": ("boundaries__invoice-bot", NO_END, "boundaries/invoice-bot.yaml"),
    "unknown action": (
        "boundaries__invoice-bot",
        BOUNDARY.replace("action: payments/transfer", "action: payments/transform"),
        "boundaries/invoice-bot.yaml:6",
    ),
    "bound on an argument the tool lacks": (
        "boundaries__invoice-bot",
        BOUNDARY.replace("when: {amount", "when: {quantity"),
        "boundaries/invoice-bot.yaml:7",
    ),
    "command server": (
        "servers__payments", "server: payments\ncommand: [npx, x]\nurl: http://127.0.0.1:1/mcp\n", "a URL or a command",
    ),
    "http server": ("servers__payments", SERVER.replace("kind: mcp ", "kind: http "), "there is nothing to call"),
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(BAD))
def test_a_file_that_is_wrong_is_named_with_its_line(
    home: Home, served: Up, files: Path, payments: int, what: str
) -> None:
    name, text, said = BAD[what]
    tree(files, payments=payments, **{name: text.replace("9101", str(payments))})
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    done = home.remit("apply", str(files))
    assert done.code == 3, done.err
    assert said in done.err
    assert home.remit("agent", "list", "--json").json["agents"] == []


def test_a_policy_is_validated_and_forbids(home: Home, served: Up, files: Path) -> None:
    (files / "policies").mkdir()
    policy = files / "policies" / "base.cedar"
    policy.write_text("forbid (principal, action, resource) when { principal.nonsense };\n", encoding="utf-8")
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    done = home.remit("apply", str(files))
    assert done.code == 3
    assert "policies/base.cedar" in done.err
    policy.write_text(
        '@id("no-transfers")\nforbid (principal, action == Remit::Action::"payments/transfer", resource);\n',
        encoding="utf-8",
    )
    assert home.remit("apply", str(files), "--approve", "--as", "dana").code == 0
    arguments = json.dumps({"to": "Acme", "amount": 1, "currency": "EUR"})
    denied = home.remit("can", "invoice-bot", "payments/transfer", "--args", arguments, "--json").json["denial"]
    assert (denied["code"], denied["policy"]) == ("forbidden_by_policy", "no-transfers")


def test_a_server_that_is_down_leaves_its_boundaries_waiting(home: Home, served: Up, files: Path) -> None:
    tree(files, payments=free_port())
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    done = home.remit("apply", str(files), "--json")
    assert done.code == 11, done.err
    row = next(row for row in done.json["changes"] if row["kind"] == "boundary")
    assert (row["state"], row["waits"]) == ("waiting_for_catalog", True)
    assert home.remit("boundary", "approve", "invoice-bot-payments", "--as", "dana").code == 9
    assert home.remit("server", "refresh", "payments").code == 7


def test_remits_own_listener_is_no_server(home: Home, served: Up, files: Path) -> None:
    tree(files, payments=int(served.ready["api"].rsplit(":", 1)[1]))
    assert home.remit("secret", "set", "payments-key", stdin="s3cret-value").code == 0
    done = home.remit("apply", str(files), "--json")
    assert done.code in {3, 11}, done.err
    assert home.remit("server", "refresh", "payments").code in {2, 7}


def test_a_server_of_the_catalog_is_shown_and_reviewed(home: Home, served: Up, files: Path) -> None:
    approved(home, files)
    assert {row["tool"] for row in home.remit("server", "show", "payments", "--json").json["tools"]} == {
        "list_invoices", "transfer", "delete_payee",
    }  # fmt: skip
    assert home.remit("server", "review", "payments").code == 0
    assert home.remit("server", "refresh", "payments").code == 0
    assert home.remit("server", "list").code == 0
    assert home.remit("server", "show", "nothing").code == 2


def test_doctor_says_what_is_well_and_what_is_not(home: Home, served: Up, files: Path, payments: int) -> None:
    approved(home, files)
    done = home.remit("doctor", "--json")
    assert done.code == 0, done.out
    checks = {check["check"]: check["status"] for check in done.json["checks"]}
    assert checks["dev"] == "warn"
    assert {checks[name] for name in ("clock", "database", "log", "keyfile", "server payments")} == {"ok"}
    os.chmod(home.keyfile, 0o444)  # noqa: PTH101 - as an operator's hand would
    assert home.remit("doctor").code == 1


def test_every_list_says_what_to_type_next_when_it_is_empty(home: Home, served: Up) -> None:
    for noun in ("agent", "boundary", "server", "secret", "purpose", "owner", "operator"):
        done = home.remit(noun, "list")
        assert (done.code, done.out) == (0, ""), noun
        assert "  try      " in done.err, noun
    assert "  try      " in home.remit("freeze").err


def test_every_command_prints_one_json_object(home: Home, served: Up, files: Path) -> None:
    approved(home, files)
    for command in (
        "agent list", "agent show invoice-bot", "boundary list", "boundary show invoice-bot-payments", "server list",
        "server show payments", "server review payments", "secret list", "purpose list", "owner list", "operator list",
        "audit tail", "audit verify", "audit checkpoint", "doctor", "freeze", f"diff {files}", f"apply {files}",
    ):  # fmt: skip
        done = home.remit(*command.split(), "--json")
        assert done.code == 0, (command, done.err)
        assert isinstance(done.json, dict), command
        assert done.out.count("\n") == 1, command
        human = home.remit(*command.split())
        assert human.code == 0, (command, human.err)
        assert "\x1b" not in human.out + human.err, command


def test_the_log_verifies_and_says_where_it_does_not(home: Home, served: Up, files: Path, tmp_path: Path) -> None:
    approved(home, files)
    wait_until_signed(home)
    first = home.remit("audit", "verify", "--json").json
    assert first["ok"]
    again = home.remit("audit", "verify", "--json").json
    statuses = {step["name"]: step["status"] for step in again["steps"]}
    assert statuses["rollback and fork"] == "ok", "the second time there is a kept checkpoint"
    out = tmp_path / "log.json"
    assert home.remit("audit", "export", "--out", str(out)).code == 0
    assert home.remit("audit", "verify", "--export", str(out)).code == 0
    _parts_are_told_from_the_whole(home, tmp_path / "part.json")
    served.end()
    assert home.remit("audit", "verify", "--data", str(home.data)).code == 0
    text = out.read_text(encoding="utf-8")
    entry = json.loads(text)["entries"][1]["header"]
    out.write_text(text.replace(entry, entry[:-8] + ("A" * 8)), encoding="utf-8")
    broken = home.remit("audit", "verify", "--export", str(out), "--json")
    assert (broken.code, broken.json["first_bad_index"]) == (8, 1)
    assert home.remit("audit", "verify", "--data", str(tmp_path / "none")).code == 2


def _parts_are_told_from_the_whole(home: Home, part: Path) -> None:
    done = home.remit("audit", "export", "--count", "5", "--out", str(part))
    assert done.code == 0, done.err
    size = int(done.err.split(" of ")[1].split(";")[0])
    assert f"entries 0..4 of {size}; {size - 5} are left" in done.err
    assert "  try      remit audit export --first 5 --out FILE" in done.err
    seen = home.remit("audit", "verify", "--export", str(part))
    assert (seen.code, f"verified: entries 0..4 of {size}, root" in seen.out) == (0, True), seen.out
    assert f"the rest  NOT CHECKED: {size - 5} of {size} entries are not in this file: 5..{size - 1}" in seen.out
    told = home.remit("audit", "verify", "--export", str(part), "--json").json
    assert (told["ok"], told["first"], told["count"], told["size"]) == (True, 0, 5, size)
    rest = home.remit("audit", "export", "--first", "5", "--out", str(part), "--json")
    assert (rest.json["first"], rest.json["left"], "are left" in rest.err) == (5, 0, False)
    assert rest.json["count"] == rest.json["size"] - 5
    shown = home.remit("audit", "export", "--count", "3")
    assert (shown.code, json.loads(shown.out)["count"], "are left" in shown.err) == (0, 3, True)
    part.write_text(shown.out.replace("\n]}", "").rsplit(",\n", 1)[0] + "]}", encoding="utf-8")
    cut = home.remit("audit", "verify", "--export", str(part))
    assert (cut.code, "2 entries read; the file says that it has 3" in cut.out) == (8, True), cut.out
    part.write_text(json.dumps(json.loads(shown.out) | {"entries": []}), encoding="utf-8")
    empty = home.remit("audit", "verify", "--export", str(part))
    assert (empty.code, "verified" in empty.out) == (8, False), empty.out
    assert home.remit("audit", "export", "--first", "999999").code == 2
    assert home.remit("audit", "export", "--out", str(part.parent / "none" / "x")).code == 3


def test_a_rolled_back_log_is_found_by_the_kept_checkpoint(home: Home, files: Path, tmp_path: Path) -> None:
    with home.up("--dev") as up:
        up.end()
    before = {path.name: path.read_bytes() for path in home.data.glob("remit.db*") if not path.name.endswith("lock")}
    with home.up("--dev") as up:
        approved(home, files)
        wait_until_signed(home)
        assert home.remit("audit", "verify").code == 0
        up.end()
    for path in home.data.glob("remit.db*"):
        path.unlink()
    for name, content in before.items():
        (home.data / name).write_bytes(content)
    rolled = home.remit("audit", "verify", "--data", str(home.data), "--json")
    assert rolled.code == 8, rolled.out


def test_a_server_that_is_killed_is_unreachable(home: Home, served: Up) -> None:
    served.end(signal.SIGKILL)
    done = home.remit("agent", "list", "--json")
    assert done.code == 7
    assert done.json["error"] == {"code": "unreachable"} | {
        key: done.json["error"][key] for key in ("title", "detail", "try")
    }
    assert done.json["error"]["try"] == "remit up"


def test_help_is_quick_and_has_two_examples(home: Home) -> None:
    started = time.monotonic()
    done = home.remit("--help")
    assert done.code == 0
    assert time.monotonic() - started < 10
    for command in ("up", "apply", "diff", "can", "why", "freeze", "unfreeze", "doctor", "demo", "agent keygen",
                    "boundary approve", "server review", "secret set", "audit verify", "operator token"):  # fmt: skip
        said = home.remit(*command.split(), "--help").out
        examples = said.partition("Examples:")[2]
        assert len([line for line in examples.splitlines() if "remit " in line]) == 2, command


def test_a_key_pair_is_made_without_a_server(home: Home, tmp_path: Path) -> None:
    out = tmp_path / "bot.jwk"
    assert home.remit("agent", "keygen", "bot", "--out", str(out)).code == 0
    assert out.stat().st_mode & 0o777 == 0o600
    private, public = (json.loads(path.read_text()) for path in (out, tmp_path / "bot.jwk.pub.jwk"))
    assert "d" in private
    assert "d" not in public
    assert home.remit("agent", "keygen", "bot", "--out", str(out)).code == 9
    assert home.remit("agent", "keygen", "Bot", "--out", str(tmp_path / "x")).code == 2
