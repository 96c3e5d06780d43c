"""Usage over HTTP and from the command line: files in, what became of them out."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.interaction.desk import Desk

from remit.certification.usage.importing import UsageService
from remit.certification.usage.shadowing import Found
from remit.certification.usage.sources import Sources
from remit.cli import usage as command
from remit.cli import usage_import, usage_send
from remit.cli.exits import Exit
from remit.cli.usage_timeline import lasting, timeline
from remit.cli.wire import Refused
from remit.kernel.clock import DAY, HOUR, rfc3339
from remit.kernel.errors import ConfigInvalid, Malformed, RemitError
from remit.server.door import Porch
from remit.server.http_usage import UsageDoors
from remit.server.operators import Authority

Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def ask(bare: Desk) -> Ask:
    """Asks the doors of usage, as the operator unless a test says who."""
    desk, rig = bare, bare.rig
    boundary = SimpleNamespace(boundary=SimpleNamespace(not_after=rig.clock.at + DAY))
    reach = SimpleNamespace(grants={("work", "s/one"): (boundary,)})
    view: Any = SimpleNamespace(agents={"bot": SimpleNamespace(reach=reach)})
    service = UsageService(
        writer=rig.writer, reader=rig.writer, records=rig.records, clock=rig.clock, view=lambda: view
    )  # fmt: skip
    known = Sources(writer=rig.writer, reader=rig.writer, records=rig.records, clock=rig.clock, view=lambda: view)
    porch = Porch(keeper=desk.keeper, authority=Authority.shipped(), body_limit=60_000, dev=False)
    nothing: Any = SimpleNamespace(look=lambda _source, _lines: Found(), tell=lambda _source, _found: None)
    doors = UsageDoors(usage=service, known=known, shadowing=nothing).doors()
    app = Starlette(routes=[porch.route(door) for door in doors])
    tokens = {role: desk.token("ops", role) for role in ("operator", "viewer", "owner", "security")}

    def answer(method: str, path: str, body: object = None, *, role: str = "operator") -> tuple[int, dict[str, Any]]:
        client = TestClient(app, headers={"authorization": f"Bearer {tokens[role]}"})
        found = client.request(method, path, json=body)
        return found.status_code, found.json()

    answer("POST", "/v1/usage/sources", {"source": "src", "servers": ["s", "t"]})
    return answer


@pytest.fixture
def now(bare: Desk) -> int:
    return bare.rig.clock.at


def line(at: int, id_: str = "a", **more: Any) -> dict[str, Any]:
    return {"kind": "use", "at": at, "id": id_, "agent": "bot", "action": "s/one", **more}


def test_what_is_taken_and_what_is_not_is_answered(ask: Ask, now: int) -> None:
    events = [line(now - HOUR), line(now - HOUR), line(now - HOUR, "b", agent="stranger"), {"kind": "use"}]
    status, found = ask("POST", "/v1/usage/src", {"events": events})
    assert status == 200
    assert (found["taken"], found["duplicates"], found["refused_count"], found["not_understood"]) == (1, 1, 2, 1)
    assert [(each["line"], each["told"]) for each in found["refused"]] == [(4, False), (3, True)]
    assert found["unknown_agents"] == {"stranger": 1}
    assert len(found["moved"]) == 1
    assert found["moved"][0].startswith("act_")


def test_coverage_is_shown_by_server(ask: Ask, now: int) -> None:
    ask("POST", "/v1/usage/src", {"events": [], "covers": [[now - DAY, rfc3339(now)]]})
    _, found = ask("GET", "/v1/usage/coverage?server=t", role="viewer")
    window = [rfc3339(now - DAY), rfc3339(now)]
    assert found == {"servers": [{"server": "t", "sources": ["src"], "windows": [window]}]}
    _, sources = ask("GET", "/v1/usage/sources", role="viewer")
    assert [(each["source"], each["servers"], each["windows"]) for each in sources["sources"]] == [
        ("src", ["s", "t"], [window])
    ]
    assert ask("GET", "/v1/usage/coverage?server=x")[0] == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/usage/other", {"events": []}, 404),
        ("/v1/usage/src", {"events": [], "covers": [5]}, 400),
        ("/v1/usage/src", {"events": [], "covers": [[5]]}, 400),
        ("/v1/usage/src", {"events": [], "covers": [[9, 5]]}, 400),
        ("/v1/usage/src", {"events": {}}, 400),
        ("/v1/usage/src", {"events": [{"kind": "owner", "at": 5, "id": "a", "owner": "d", "status": "left"}]}, 400),
        ("/v1/usage/sources", {"source": "remit", "servers": ["s"]}, 409),
        ("/v1/usage/sources", {"source": "x", "servers": [5]}, 400),
        ("/v1/usage/sources", {"source": "x", "servers": []}, 400),
    ],
)
def test_what_is_not_understood_is_refused(ask: Ask, path: str, body: object, status: int) -> None:
    assert ask("POST", path, body)[0] == status


@pytest.mark.parametrize("role", ["viewer", "owner", "security"])
def test_only_an_operator_says_what_was_used(ask: Ask, role: str) -> None:
    assert ask("POST", "/v1/usage/src", {"events": []}, role=role)[0] == 403
    assert ask("POST", "/v1/usage/sources", {"source": "x", "servers": ["s"]}, role=role)[0] == 403
    assert ask("DELETE", "/v1/usage/sources/src", role=role)[0] == 403


@pytest.mark.parametrize(("name", "status"), [("other", 404), ("remit", 409), ("No Name", 404), ("%00", 404)])
def test_what_is_no_source_is_not_taken_off(ask: Ask, name: str, status: int) -> None:
    assert ask("DELETE", f"/v1/usage/sources/{name}")[0] == status
    assert ask("GET", f"/v1/usage/sources/{name}", role="viewer")[0] == 404
    assert [each["source"] for each in ask("GET", "/v1/usage/sources")[1]["sources"]] == ["src"]


def test_a_source_is_taken_off_once_and_may_come_back(ask: Ask, now: int) -> None:
    ask("POST", "/v1/usage/src", {"events": [], "covers": [[now - DAY, now]]})
    status, shown = ask("GET", "/v1/usage/sources/src", role="viewer")
    hangs = {"entitlements": 1, "agents": 1, "alone": ["s", "t"]}
    assert (status, {name: shown[name] for name in hangs}) == (200, hangs)
    ask("POST", "/v1/usage/sources", {"source": "beside", "servers": ["t"]})
    status, found = ask("DELETE", "/v1/usage/sources/src")
    assert (status, found) == (200, {"source": "src", "servers": ["s", "t"], **hangs, "alone": ["s"]})
    status, problem = ask("DELETE", "/v1/usage/sources/src")
    assert (status, problem["code"]) == (404, "not_found")
    assert ask("POST", "/v1/usage/src", {"events": []})[0] == 404
    assert [each["source"] for each in ask("GET", "/v1/usage/sources")[1]["sources"]] == ["beside"]
    assert [each["server"] for each in ask("GET", "/v1/usage/coverage")[1]["servers"]] == ["t"]
    ask("POST", "/v1/usage/sources", {"source": "src", "servers": ["s"]})
    (again,) = (each for each in ask("GET", "/v1/usage/sources")[1]["sources"] if each["source"] == "src")
    assert (again["servers"], again["windows"]) == (["s"], [[rfc3339(now - DAY), rfc3339(now)]])
    assert again["batch"] > shown["batch"]


# the command ------------------------------------------------------------------------------


@pytest.fixture
def remit(ask: Ask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """`remit usage ...`: (exit code, JSON of stdout, or stdout and stderr)."""

    class Api:
        posts = 0

        def get(self, path: str) -> Any:
            return ask("GET", path)[1]

        def post(self, path: str, body: object) -> Any:
            Api.posts += 1
            return self.done("POST", path, body)

        def delete(self, path: str) -> Any:
            return self.done("DELETE", path)

        def done(self, *said: Any) -> Any:
            status, found = ask(*said)
            if status != 200:
                raise Refused(found)
            return found

    for each in (command, usage_import):
        monkeypatch.setattr(each, "connect", lambda _as: Api())

    def run(*arguments: object) -> Any:
        capsys.readouterr()
        code = command.app(args=[str(each) for each in arguments], standalone_mode=False, prog_name="remit usage")
        out, err = capsys.readouterr()
        return code, json.loads(out.splitlines()[-1]) if "--json" in arguments else out, err

    return run


def write(path: Path, *said: object) -> Path:
    body = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in said)
    path.write_text(body, encoding="utf-8")
    return path


def test_files_are_imported_and_the_same_again_changes_nothing(remit: Any, now: int, tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", *(line(now - HOUR - number, f"e{number}") for number in range(300)), "{")
    two = write(tmp_path / "two.jsonl", line(now - DAY, "x"), line(now - DAY, "y", action="s/unknown"))
    code, found, _ = remit("import", one, two, "--source", "src", "--json")
    assert (code, found["taken"], found["refused_count"], found["moved"]) == (Exit.OK, 302, 1, 1)
    assert found["refused"] == [{"file": "one.jsonl", "line": 301, "reason": "not valid JSON"}]
    assert found["unattributed"] == [{"agent": "bot", "action": "s/unknown", "count": 1}]
    _, again, _ = remit("import", two, one, "--source", "src", "--json")
    assert (again["taken"], again["duplicates"]) == (0, 302)


def test_what_the_server_refuses_is_named_by_file_and_line(remit: Any, now: int, tmp_path: Path) -> None:
    path = write(tmp_path / "u.jsonl", line(now - HOUR), "", line(now - HOUR, "b", agent="stranger"))
    code, out, err = remit("import", path, "--source", "src")
    assert code == Exit.OK
    assert "1 taken, 0 known already, 1 refused" in out
    assert "u.jsonl:3: the agent stranger is not registered" in err


def test_windows_are_claimed_when_everything_was_sent(remit: Any, ask: Ask, now: int, tmp_path: Path) -> None:
    path = write(tmp_path / "u.jsonl", line(now - HOUR))
    code, found, _ = remit("import", path, "--source", "src", "--covers", "2026-11-01..2026-11-20", "--json")
    assert (code, found["covered"]) == (Exit.OK, True)
    (server, _) = ask("GET", "/v1/usage/coverage")[1]["servers"]
    assert server["windows"] == [["2026-11-01T00:00:00.000000Z", "2026-11-20T00:00:00.000000Z"]]
    _, out, _ = remit("coverage")
    assert "told by src" in out
    assert "#" * 60 in out
    _, sources, _ = remit("sources")
    assert "2026-11-20" in sources


def test_windows_are_not_claimed_where_a_line_was_not_understood(
    remit: Any, ask: Ask, now: int, tmp_path: Path
) -> None:
    path = write(tmp_path / "u.jsonl", line(now - HOUR), "{")
    code, out, err = remit("import", path, "--source", "src", "--covers", "2026-11-01T00:00:00Z..2026-11-20")
    assert code == Exit.DIFFERS
    assert "1 taken" in out
    assert "not taken" in err
    assert ask("GET", "/v1/usage/coverage")[1]["servers"][0]["windows"] == []


def test_cloudtrail_comes_packed_with_a_mapping(remit: Any, now: int, tmp_path: Path) -> None:
    record = {
        "eventTime": rfc3339(now - HOUR)[:19] + "Z", "eventID": "id-1", "eventName": "one",
        "eventSource": "s.amazonaws.com", "userIdentity": {"arn": "arn:aws:iam::1:user/bot"},
    }  # fmt: skip
    other = record | {"userIdentity": {"arn": "arn:aws:iam::1:user/alice"}, "eventID": "id-2"}
    trail = tmp_path / "t.json.gz"
    trail.write_bytes(gzip.compress(json.dumps({"Records": [record, other]}).encode()))
    mapping = write(tmp_path / "m.yaml", 'identities: {"*user/bot": bot}', "servers: {s.amazonaws.com: s}")
    _, found, _ = remit("import", trail, "--source", "src", "--map", mapping, "--json")
    assert (found["taken"], found["passed"], found["moved"]) == (1, {"by no agent of the mapping": 1}, 1)


def test_a_server_that_takes_less_gets_less(remit: Any, now: int, tmp_path: Path) -> None:
    lines = [line(now - HOUR, f"e{number}", note="x" * 300) for number in range(400)]
    _, found, _ = remit("import", write(tmp_path / "u.jsonl", *lines), "--source", "src", "--json")
    assert found["taken"] == 400


def test_an_import_goes_in_batches(remit: Any, now: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_send, "MOST_EVENTS", 7)
    path = write(tmp_path / "u.jsonl", *(line(now - HOUR, f"e{number}") for number in range(50)))
    _, found, _ = remit("import", path, "--source", "src", "--json")
    assert found["taken"] == 50
    _, sources, _ = remit("sources", "--json")
    assert sources["sources"][0]["batch"] == 8


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--covers", "2026-11-01"], Malformed), (["--covers", "soon..later"], Malformed),
        (["--map", "none.yaml"], ConfigInvalid), (["--source", "other"], Refused),
        (["--format", "csv"], ConfigInvalid), (["--format", "cloudtrail"], ConfigInvalid),
    ],
)  # fmt: skip
def test_what_cannot_be_done_says_so(
    remit: Any, now: int, tmp_path: Path, arguments: list[str], error: type[RemitError]
) -> None:
    path = write(tmp_path / "u.jsonl", line(now - HOUR))
    source = [] if "--source" in arguments else ["--source", "src"]
    with pytest.raises(error):
        remit("import", path, *source, *arguments)


def test_an_empty_file_is_nothing_and_a_missing_one_an_error(remit: Any, tmp_path: Path) -> None:
    _, found, _ = remit("import", write(tmp_path / "u.jsonl"), "--source", "src", "--json")
    assert found["taken"] == 0
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        remit("import", tmp_path / "none", "--source", "src")


def test_a_source_is_registered(remit: Any) -> None:
    _, out, err = remit("register", "aws", "--server", "aws-s3", "--server", "aws-sqs")
    assert "aws tells of aws-s3, aws-sqs" in out
    assert "--source aws" in err


def test_a_silent_source_is_shown_with_what_to_do(remit: Any, bare: Desk, now: int) -> None:
    _, out, err = remit("sources")
    assert ("heard" in out, "unregister" in err) == (True, False)
    bare.rig.clock.at += 26 * HOUR
    _, out, err = remit("sources")
    assert ("silent" in out, rfc3339(now) in out) == (True, True)
    assert "nothing on s, t lapses for want of use" in err
    assert "remit usage unregister src" in err
    _, found, _ = remit("sources", "--json")
    (source,) = found["sources"]
    assert (source["state"], source["silent_since"]) == ("silent", rfc3339(now))


def test_what_hangs_on_a_source_is_shown_before_it_is_taken_off(remit: Any, ask: Ask) -> None:
    ask("POST", "/v1/usage/sources", {"source": "beside", "servers": ["t"]})
    code, out, err = remit("unregister", "src")
    assert (code, out) == (Exit.OK, "src tells of s, t: 1 entitlements, 1 agents\n")
    assert "use of s is measured by Remit's own record" in err
    assert "use of t is measured by the sources that are left" in err
    assert "remit usage unregister src --yes" in err
    assert remit("unregister", "src", "--json")[1]["alone"] == ["s"]
    assert len(ask("GET", "/v1/usage/sources")[1]["sources"]) == 2
    code, out, err = remit("unregister", "src", "--yes")
    assert (code, out) == (Exit.OK, "src told of s, t: 1 entitlements, 1 agents\n")
    assert "use of s is measured by Remit's own record" in err
    with pytest.raises(Refused):
        remit("unregister", "src", "--yes")


def test_a_timeline_shows_cells_and_names_gaps() -> None:
    shown = timeline([(0, 30 * DAY), (50 * DAY, 60 * DAY)])
    assert shown[0] == f"1970-01-01T00:00:00Z  {'#' * 30}{'.' * 20}{'#' * 10}  1970-03-02T00:00:00Z"
    assert shown[1] == "  gap    1970-01-31T00:00:00Z to 1970-02-20T00:00:00Z (20 d)"
    assert "+" in timeline([(0, DAY), (DAY + HOUR, 30 * DAY)])[0]
    assert len(timeline([(number * DAY, number * DAY + HOUR) for number in range(40)])) == 12
    assert timeline([]) == ["nothing is known to be complete"]
    assert [lasting(micros) for micros in (DAY + 2 * HOUR + 5_000_000, 5)] == ["1 d 2 h", "under a second"]
