"""What anybody may read: the page that a denial links to, and the API's description, from a real composition."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from remit.attestation.model import Caller
from remit.kernel.clock import Instant
from remit.kernel.names import (
    ActionName,
    AgentName,
    DecisionId,
    InstanceId,
    PurposeName,
    RunId,
    ServerName,
)
from remit.policy.model import Call, Code, Denial
from remit.server import compose, published
from remit.server.app import App
from remit.server.me_can import MeCan
from remit.server.settings import Settings

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "docs" / "errors"
# Never told to an agent under these names.
NOT_TOLD = {Code.NOT_VISIBLE, Code.REPLAYED_PROOF}
TOLD = [code for code in Code if code not in NOT_TOLD]
CALL = Call(
    id=DecisionId("dec_1"),
    caller=Caller(
        agent=AgentName("bot"), instance=InstanceId("i"), credential="c", purpose=PurposeName("work"),
        run=RunId("run_1"), token="jti", expires=Instant(0), bound=True,
        attested=Instant(0), run_ends=Instant(0),
    ),
    server=ServerName("payments"),
    action=ActionName("payments/transfer"),
)  # fmt: skip


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("remit")
    folder.chmod(0o700)
    settings = Settings(data=folder, keyfile=folder / "keyfile")
    remit = compose.build(settings, base="http://127.0.0.1:8470", listener=("127.0.0.1", 8470))
    assert isinstance(remit.app, App)
    yield remit.app
    remit.life.database.close()


def get(app: App, path: str) -> tuple[int, dict[str, str], str]:
    """GET without a token, the path as the server hands it on: decoded, and in its raw form."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8470")], "server": ("127.0.0.1", 8470), "scheme": "http", "root_path": "",
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(each.get("body", b"") for each in sent[1:]).decode()


@pytest.mark.parametrize("code", TOLD)
def test_the_link_in_a_denial_leads_to_its_page(app: App, code: Code) -> None:
    assert isinstance(app.me_can, MeCan)
    told = app.me_can.policy.told(Denial(code=code, step=1, title="no"), CALL, epoch=1, evaluated_at=Instant(0))
    link = urlsplit(told["docs"])
    assert f"{link.scheme}://{link.netloc}" == "http://127.0.0.1:8470"
    status, headers, text = get(app, link.path)
    assert status == 200
    assert text == (PAGES / f"{code}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {code}\n")
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none';")


@pytest.mark.parametrize(
    "path",
    [
        "/errors/nothing", "/errors/README", "/errors/revoked.md", "/errors/", "/errors/../openapi.json",
        "/errors/..%2Ferrors%2Frevoked", "/errors/../../pyproject", "/errors/revoked\x00", "/errors/REVOKED",
    ],
)  # fmt: skip
def test_what_is_no_code_is_not_found(app: App, path: str) -> None:
    status, headers, text = get(app, path)
    assert (status, headers["content-type"]) == (404, "application/problem+json")
    assert json.loads(text)["code"] == "not_found"


def test_every_page_is_served_and_the_description_too(app: App) -> None:
    assert set(published.pages()) == {path.stem for path in PAGES.glob("*.md")} - {"README"}
    status, _, text = get(app, "/openapi.json")
    assert status == 200
    assert json.loads(text) == json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))


def test_who_asks_for_what_is_not_there_is_told_where_all_is_described(app: App) -> None:
    status, _, text = get(app, "/v2/agents")
    said = json.loads(text)["try"]
    assert (status, said) == (404, "GET /openapi.json says what there is")
    assert get(app, said.split()[1])[0] == 200


def test_a_wheel_brings_the_pages(tmp_path: Path) -> None:
    project = tmp_path / "project"
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        project.mkdir(exist_ok=True)
        shutil.copy(ROOT / part, project / part)
    shutil.copytree(PAGES, project / "docs" / "errors")
    (project / "src" / "remit").mkdir(parents=True)
    shutil.copy(ROOT / "src" / "remit" / "__init__.py", project / "src" / "remit")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        brought = {Path(name).stem for name in packed.namelist() if name.startswith("remit/server/errors/")}
    assert set(published.pages()) <= brought
