"""A canary secret is used everywhere, sent back by its servers, sent by an agent, exposed and replaced: then every byte
that came out of it is searched for it. Each place is first seen to be searched, by something else that stands there.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.e2e.browsing import Browser, link
from tests.e2e.running import PATIENCE, REMIT, ok
from tests.e2e.test_e2e_nothing_leaks import FORMS, HERE, SECRETS, Place, place, public

from remit.audit.stored import read_bundle
from remit.console.pages.every import PAGES
from remit.sdk.auth import AgentAuth

__all__ = ["place"]  # the fixture
KINDS = {"basic": {"basic": "bot-at-the-api"}, "query": {"query": "key"}, "bearer": "bearer"}
CANARIES = {f"{kind}-key": f"C4n4ry0f{kind.title()}Sealed7391" for kind in KINDS}
SECOND = "C4n4ryTheSecondOfBearer5528"
LISTED = [
    ("agent", "list"), ("agent", "show", "bot"), ("activation", "list"), ("boundary", "list"), ("server", "list"),
    ("secret", "list"), ("secret", "posture"), ("secret", "exposure", "bearer-key"), ("owner", "list"), ("doctor",),
    ("purpose", "list"), ("audit", "tail"), ("freeze",), ("coverage",), ("posture",), ("withdrawal", "list"),
    ("notices",), ("system", "list"), ("trust", "list"), ("key", "list"), ("operator", "list"), ("pep", "list"),
    ("consent", "list"), ("review", "list"), ("approval", "list"), ("policy", "list"),
    ("mandate", "bot", "--purpose", "canary"), ("posture", "secrets"),
    *(("secret", each, "bearer-key") for each in ("show", "versions", "history")), ("secret", "rotations"),
    ("secret", "leases"),
]  # fmt: skip


def spellings(value: str) -> dict[str, bytes]:
    """The bytes that give a value away, by name; written here anew, not by what is searched with in Remit."""
    raw = value.encode()
    found = {"raw": raw, "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode(), "reversed": raw[::-1]}
    found["percent"] = b"".join(b"%%%02x" % octet for octet in raw)
    found["PERCENT"] = found["percent"].upper()
    found["escaped"] = b"".join(b"\\u%04x" % octet for octet in raw)
    found["utf-16"] = value.encode("utf-16-le")
    for offset in range(3):
        text = b64encode(b"\0" * offset + raw)
        first, last = -(-offset * 8 // 6), (offset + len(raw)) * 8 // 6
        found[f"base64 {offset}"] = text[first:last]
        found[f"base64url {offset}"] = text[first:last].replace(b"+", b"-").replace(b"/", b"_")
    return found


def leaks(where: bytes, values: dict[str, str]) -> set[tuple[str, str]]:
    """Which values are in there, and how."""
    return {(name, how) for name, value in values.items() for how, form in spellings(value).items() if form in where}


def places(at: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below, and what a reader of the database makes of it: the log's bundles are compressed."""
    for path in sorted(each for each in at.rglob("*") if each.is_file()):
        yield path.relative_to(at).as_posix(), path.read_bytes()
    with sqlite3.connect(f"file:{at / 'remit.db'}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT headers, count FROM bundles").fetchall()
    database.close()
    yield "the log", b"\n".join(header for headers, count in rows for header in read_bundle(headers, count)[0])


def prepared(place: Place, *kinds: str) -> None:
    """Further servers of the API that tells everything, each with a canary; for another purpose of the same agent."""
    allowed = [f"{kind}:GET /tell/{{form}}/{{how}}" for kind in kinds]
    documents: dict[str, Any] = {
        f"servers/{kind}": {
            "server": kind, "kind": "http", "url": place.direct,
            "operations": {"GET /tell/{form}/{how}": {"tier": "low"}},
            "credential": {"secret": f"{kind}-key", "inject": KINDS[kind]},
        }
        for kind in kinds
    }  # fmt: skip
    documents["purposes/canary"] = {
        "purpose": "canary", "statement": "Control-of-the-search", "data_classes": [], "not_after": "2029-12-31",
        "actions": [f"{kind}:GET /**" for kind in kinds],
    }  # fmt: skip
    bot = json.loads((place.files / "agents" / "bot.yaml").read_text(encoding="utf-8"))
    documents["agents/bot"] = bot | {"purposes": ["work", "canary"]}
    documents["boundaries/canary"] = {
        "boundary": "canary", "agent": "bot", "purpose": "canary", "not_after": "2029-12-31",
        "allow": [{"action": each} for each in allowed],
    }  # fmt: skip
    for name, value in documents.items():
        (place.files / f"{name}.yaml").write_text(json.dumps(value), encoding="utf-8")
    for kind in kinds:
        ok(place.home.remit("secret", "set", f"{kind}-key", stdin=CANARIES[f"{kind}-key"]))
    ok(place.home.remit("apply", str(place.files), "--approve", "--as", "dana"))


def used(place: Place, *kinds: str, forms: list[str]) -> Iterator[str]:
    """What the agent got for using each, in each form that its server tells it in; and for sending one itself."""
    api = place.up.ready["api"]
    auth = AgentAuth(api, "bot", place.files / "agents" / "bot", "canary")
    with httpx2.Client(auth=auth, trust_env=False, timeout=PATIENCE) as client:
        for kind in kinds:
            for form in forms:
                for how in ("body", "header", "error", "events", "redirect"):
                    answer = client.get(f"{api}/http/{kind}/tell/{form}/{how}")
                    yield f"{answer.status_code} {answer.headers.multi_items()} {answer.text}"
        for sent in (SECOND, b64encode(SECOND.encode()).decode(), SECOND.encode().hex()):
            ok(place.home.remit("secret", "set", "bearer-key", stdin=SECOND))
            answer = client.get(f"{api}/http/basic/tell/raw/body", params={"q": sent}, headers={"X-Note": sent})
            assert answer.status_code == 400, answer.text
            yield f"{answer.status_code} {answer.headers.multi_items()} {answer.text}"


def said(place: Place) -> Iterator[tuple[str, str]]:
    """What people and machines are told: every command's JSON, every page, metrics, the API's description."""
    for words in LISTED:
        done = place.home.remit(*words, "--json")
        assert done.code in {0, 9, 11}, (words, done)
        yield " ".join(words), done.out + done.err
    token = Path(place.up.ready["admin_token_file"]).read_text(encoding="utf-8").strip()
    with httpx2.Client(trust_env=False, timeout=PATIENCE, headers={"Authorization": f"Bearer {token}"}) as admin:
        yield "doors", "\n".join(public(place, admin))
        for path in ("/metrics", "/openapi.json", "/v1/openapi.json"):
            yield path, admin.get(place.up.ready["api"] + path).text
    yield "pages", "\n".join(console(place))
    export = place.files.parent / "export.json"
    ok(place.home.remit("audit", "export", "--out", str(export)))
    yield "export", export.read_text(encoding="utf-8")


def console(place: Place) -> Iterator[str]:
    """Every page of the console to who may see all, as a page and as a file; and what each names has to itself."""
    browser, seen = Browser(place.up.ready["api"]), set[str]()
    browser.sign_in(link(place.home))
    left = [f"/console{each.path}" for each in PAGES if "{" not in each.path]
    while left:
        at = left.pop()
        status, headers, text = browser.ask("GET", at)
        assert status in {200, 404}, (at, text)  # a link may lead to what has no page
        yield f"{at} {headers} {text}"
        for name in re.findall(r'id="s-([a-z]+)"', text):
            yield from (browser.ask("GET", f"{at}?format={kind}&table={name}")[2] for kind in ("json", "csv"))
        linked = set(re.findall(r'href="(/console/[a-z]+/[^"?#]+)"', text)) - seen
        seen |= linked
        left += sorted(each for each in linked if "/static/" not in each)


def searched(place: Place, seen: dict[str, bytes], values: dict[str, str]) -> None:
    """0 hits, in places where the same search finds what should be there."""
    controls = {
        "answers": "withheld", "stderr": "incident", "/metrics": "remit_", "agent show bot": "approved_by",
        "the log": "secret_echoed",
        "remit.db": "Control-of-the-search", "purpose list": "Control-of-the-search", "doors": "unauthenticated",
        "pages": "/console/credentials/bearer-key",
        "export": "secret_echoed", "secret list": "bearer-key", "doctor": "database",
    }  # fmt: skip
    for name, control in controls.items():
        assert leaks(seen[name], {"control": control}), f"{name} is not searched"
    assert {name: found for name, text in seen.items() if (found := leaks(text, values))} == {}


def test_the_search_finds_every_spelling() -> None:
    for how, form in spellings(SECOND).items():
        assert ("x", how) in leaks(b"before" + form + b"behind", {"x": SECOND})


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_canary_is_in_no_byte_that_comes_out(place: Place, tmp_path: Path, whole: bool) -> None:  # noqa: FBT001 - two sizes
    kinds, forms = (list(KINDS), FORMS) if whole else (["basic", "bearer"], ["raw", "base64-1"])
    values = {**SECRETS, **{f"{kind}-key": CANARIES[f"{kind}-key"] for kind in kinds}, "second": SECOND}
    prepared(place, *kinds)
    seen = {"answers": "\n".join(used(place, *kinds, forms=forms)).encode()}
    if whole:  # what the commands and the proxy get and give
        asked = {"forms": FORMS, "mcp": ["REMIT_MCP_MCP", "REMIT_MCP_ENV"], "proxied": place.proxied, "remit": REMIT}
        agent = [sys.executable, str(HERE / "leaking_agent.py"), json.dumps(asked)]
        done = subprocess.run(
            [REMIT, "run", "--agent", "bot", "--purpose", "work", "--proxy", "--", *agent], env=place.home.environ,
            capture_output=True, check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        seen["run"] = done.stdout + done.stderr
    ok(place.home.remit("secret", "exposed", f"{kinds[0]}-key", "--reason", "the canary was seen"))
    ok(place.home.remit("secret", "set", f"{kinds[0]}-key", stdin=SECOND))
    seen |= {name: text.encode() for name, text in said(place)}
    backup = tmp_path / "backup"  # as it lies there while the server runs, with what is not in the database yet
    shutil.copytree(place.home.data, backup, ignore=shutil.ignore_patterns("*.sock"))
    seen |= {f"backup of {name}": data for name, data in places(backup)}
    place.up.end()
    seen["stderr"] = place.up.err.encode()
    seen |= dict(places(place.home.data))
    searched(place, seen, values)
