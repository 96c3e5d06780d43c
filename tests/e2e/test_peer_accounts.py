"""People lend their accounts at `oidc-provider`, the certified implementation of OpenID Connect; needs npm."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import httpx2
import pytest
from tests.e2e.own_accounts import BACK, SECRET, Place, documents
from tests.e2e.peers import upstream
from tests.e2e.running import PATIENCE, Home
from tests.e2e.test_peer_conformance import NODE
from tests.e2e.test_peer_everything import installed

PROVIDER = "oidc-provider@9.13.3"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass
class Peer:
    """A Remit before the provider, whose `/me` is the API, and what the provider said of its grants."""

    place: Place
    log: Path

    def said(self, word: str) -> int:
        return sum(line.startswith(word) for line in self.log.read_text(encoding="utf-8").splitlines())

    def connect(self, login: str) -> None:
        """As a person does: sign in there, say yes, and go on here."""
        url = self.place.begin("dana")
        with httpx2.Client(trust_env=False, timeout=PATIENCE) as browser:
            answer = browser.get(url)
            for _ in range(12):
                if answer.status_code == 303:
                    where = urljoin(str(answer.url), answer.headers["location"])
                    if where.startswith(self.place.api + BACK):
                        break
                    answer = browser.get(where)
                    continue
                form = re.search(r'action="([^"]+)"', answer.text)
                prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
                assert form, answer.text
                assert prompt, answer.text
                fields = {"prompt": prompt[1], "login": login, "password": "any"}
                answer = browser.post(urljoin(str(answer.url), form[1]), data=fields)
            else:
                pytest.fail("it goes round")
        status, _, page = self.place.browser("dana").open(where)
        assert status == 200, page


@pytest.fixture
def peer(request: pytest.FixtureRequest, home: Home, tmp_path: Path) -> Iterator[Peer]:
    cache = request.config.cache
    assert cache is not None
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    binary = f"node-{sys.platform}-{machine}"
    node = installed(f"{binary}@{NODE}", cache) / binary / "bin" / "node"
    module = installed(PROVIDER, cache) / "oidc-provider" / "lib" / "index.js"
    script, log = Path(__file__).with_name("oidc_server.cjs"), tmp_path / "provider.log"
    with home.up("--dev") as up:
        redirect = up.ready["api"] + BACK
        command = [str(node), str(script), str(module), redirect, SECRET]
        with upstream(command, {"PATH": os.environ["PATH"]}, log) as url:
            service = url.removesuffix("/mcp")
            place = Place(home, up, tmp_path / "files", tmp_path / "ledger", service)
            _written(place, service)
            yield Peer(place, log)


def _written(place: Place, service: str) -> None:
    said = documents(service)
    user = {
        "authorize_url": f"{service}/auth?prompt=consent", "token_url": f"{service}/token", "client_id": "remit",
        "revoke_url": f"{service}/token/revocation", "scope": "openid offline_access", "issuer": service,
        "otherwise": "owner",
    }  # fmt: skip
    said["servers/mail"] |= {
        "operations": {"GET /me": {"tier": "low"}},
        "credential": {"secret": "mail-client", "inject": {"oauth_user": user}},
    }
    said["purposes/work"]["actions"] = ["mail:GET /me"]
    said["boundaries/bot"]["allow"] = [{"action": "mail:GET /me"}]
    kept = ("owners", "purposes/work", "servers/mail", "agents/bot", "boundaries/bot")
    for name in kept:
        path = place.files / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(said[name]), encoding="utf-8")
    place.remit("agent", "keygen", "bot", "--out", str(place.files / "agents" / "bot"))
    place.remit("secret", "set", "mail-client", stdin=SECRET)
    place.remit("apply", str(place.files), "--approve", "--as", "dana")


def test_a_persons_account_at_a_certified_provider(peer: Peer) -> None:
    place = peer.place

    def me() -> tuple[int, dict[str, str]]:
        with place.agent() as client:
            answer = client.get(f"{place.api}/http/mail/me")
            return answer.status_code, answer.json()

    assert me()[1]["code"] == "step_up_required"
    peer.connect("dana.reyes")
    assert me() == (200, {"sub": "dana.reyes"})
    assert me() == (200, {"sub": "dana.reyes"})
    assert (peer.said("grant authorization_code"), peer.said("grant refresh_token")) == (1, 1)
    # Its refresh tokens rotate, and one that comes twice ends them all: after a restart, the newest was stored.
    assert place.up.end() == 0
    host = place.api.removeprefix("http://")
    with place.home.up("--dev", "--listen", host) as again:
        place.up = again
        assert me() == (200, {"sub": "dana.reyes"})
        assert (peer.said("grant refresh_token"), peer.said("refused")) == (2, 0)
        done = place.remit("secret", "disconnect", "mail-client", "--as", "dana")
        assert "the other system has ended it too" in done.err
        assert me()[1]["code"] == "step_up_required"
    assert peer.said("revoked") == 1
