"""People sign in to the console at `oidc-provider`, the certified implementation of OpenID Connect; needs npm."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urljoin

import httpx2
import pytest
from tests.e2e.issuers import SECRET
from tests.e2e.peers import upstream
from tests.e2e.running import Home, Up, free_port, ok
from tests.e2e.signing_in import Visitor, written
from tests.e2e.test_peer_accounts import PROVIDER
from tests.e2e.test_peer_conformance import NODE
from tests.e2e.test_peer_everything import installed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def served_at_provider(request: pytest.FixtureRequest, home: Home, tmp_path: Path) -> Iterator[Up]:
    cache = request.config.cache
    assert cache is not None
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    binary = f"node-{sys.platform}-{machine}"
    node = installed(f"{binary}@{NODE}", cache) / binary / "bin" / "node"
    module = installed(PROVIDER, cache) / "oidc-provider" / "lib" / "index.js"
    script, port = Path(__file__).with_name("oidc_server.cjs"), free_port()
    redirect = f"http://127.0.0.1:{port}/console/sign-in/back"
    command = [str(node), str(script), str(module), redirect, SECRET]
    with upstream(command, {"PATH": os.environ["PATH"]}, tmp_path / "provider.log") as url:
        file = written(tmp_path / "idp", url.removesuffix("/mcp"), scope="openid email groups")
        with home.up("--sign-in", file, "--listen", f"127.0.0.1:{port}") as up:
            yield up


def there(visitor: Visitor, where: str, login: str) -> httpx2.Response:
    """As a person does: sign in there, say yes, and come back."""
    answer = visitor.get(where)
    for _ in range(12):
        if answer.status_code == 303:
            where = urljoin(str(answer.url), answer.headers["location"])
            answer = visitor.get(where)
            if where.startswith(f"{visitor.base}/console/sign-in/back"):
                return answer
            continue
        form = re.search(r'action="([^"]+)"', answer.text)
        prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
        assert form, answer.text
        assert prompt, answer.text
        fields = {"prompt": prompt[1], "login": login, "password": "any"}
        answer = visitor.http.post(urljoin(str(answer.url), form[1]), data=fields)
    pytest.fail("it goes round")


def test_a_person_signs_in_proves_it_again_and_signs_out(home: Home, served_at_provider: Up) -> None:
    sam = Visitor(served_at_provider.ready["api"])
    with closing(sam.http):
        back = there(sam, sam.asked("/console/agents?q=bot"), "sam")
        assert back.status_code == 200, back.text
        assert "url=/console/agents?q=bot" in back.text
        assert '<span class="who">sam</span>' in sam.get("/console/agents").text
        old = sam.http.cookies.get("remit_session")
        # Signed in there already, and asked all the same.
        again = there(sam, sam.asked("/console", again="1"), "sam")
        assert again.status_code == 200, again.text
        assert sam.http.cookies.get("remit_session") != old
        assert sam.post("/console/freeze", csrf=sam.csrf(), kind="all", name="").status_code == 303
        assert [each["kind"] for each in ok(home.remit("freeze", "--json")).json["freezes"]] == ["all"]
        out = sam.post("/console/sign-out", csrf=sam.csrf())
        assert "Sign out of Example, too" in out.text
    mallory = Visitor(served_at_provider.ready["api"])
    with closing(mallory.http):
        refused = there(mallory, mallory.asked(), "mallory")
        assert refused.status_code == 403
        assert "nobody here is called mallory@example.test at Example" in refused.text
