"""The commands of docs/attestation, run: an issuer on this machine, a key set from a file, a SPIFFE bundle."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from tests.e2e.running import AGENT, Home, Up, tree
from tests.interaction.tokens.issuer_site import Issuer
from tests.unit.attestation.issuer import ASKED, PLATFORMS, Key, claims, key_set

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_SPIFFE = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    found = Issuer()
    yield found
    found.close()


def agent(**methods: dict[str, Any]) -> str:
    """The example's agent, without DPoP so that one request is enough."""
    lines = [line for line in AGENT.splitlines() if not line.startswith(("attest:", "sender_constraint:"))]
    return "\n".join([*lines, "sender_constraint: none", f"attest: {json.dumps([{k: v} for k, v in methods.items()])}"])


def without_servers(root: Path) -> Path:
    """Tokens need no server, and one that is not there is asked for ten seconds."""
    for name in ("servers/payments.yaml", "boundaries/invoice-bot.yaml"):
        (root / name).unlink()
    return root


def ask(up: Up, token: str, *, assertion_type: str = JWT_BEARER, client: str = "invoice-bot") -> tuple[int, Any]:
    form = {
        "grant_type": "client_credentials", "client_id": client, "scope": "purpose:pay-invoices",
        "client_assertion_type": assertion_type, "client_assertion": token,
        "resource": f"{up.ready['api']}/mcp/payments",
    }  # fmt: skip
    request = Request(f"{up.ready['api']}/oauth2/token", urlencode(form).encode())  # noqa: S310 - the server of this test
    try:
        with urlopen(request, timeout=30) as answer:  # noqa: S310 - likewise
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def test_an_issuer_that_publishes_its_keys(home: Home, served: Up, issuer: Issuer, tmp_path: Path) -> None:
    base = served.ready["api"]
    done = home.remit("trust", "add", "idp", "--issuer", issuer.url, "--audience", base, "--private", "--json")
    assert done.code == 0, done.err
    bot = agent(oidc={"trust": "idp", "claims": {"sub": "workload-17"}})
    root = without_servers(tree(tmp_path / "files", payments=9, **{"agents__invoice-bot": bot}))
    done = home.remit("apply", str(root), "--json")
    assert done.code in (0, 11), done.err

    def said(**more: Any) -> dict[str, Any]:
        return claims("oidc", now=int(time.time()), iss=issuer.url, aud=base, **more)

    status, answer = ask(served, issuer.keys[0].sign(said(jti="1")))
    assert status == 200, answer
    assert answer["scope"] == "purpose:pay-invoices"
    assert ask(served, issuer.keys[0].sign(said(jti="1")))[0] == 401
    assert ask(served, issuer.keys[0].sign(said(jti="2", sub="workload-18")))[1] == {
        "error": "invalid_client", "error_description": "client authentication failed",
    }  # fmt: skip
    listed = home.remit("trust", "list", "--json").json["trusts"]
    assert [(each["trust"], each["keys"], each["failure"]) for each in listed] == [("idp", 1, None)]
    assert home.remit("trust", "show", "idp").code == 0
    assert "idp" in home.remit("trust", "list").out
    assert home.remit("trust", "remove", "idp", "--json").json == {"trust": "idp", "removed": True}
    assert ask(served, issuer.keys[0].sign(said(jti="3")))[0] == 401
    assert home.remit("trust", "remove", "idp").code == 2
    assert home.remit("audit", "verify").code == 0


def test_files_with_a_key_set_beside_them_and_a_restart(home: Home, tmp_path: Path) -> None:
    key = Key("RS256", "cluster")
    bot = agent(
        kubernetes={"trust": "cluster", **ASKED["kubernetes"]}, spiffe={"trust": "prod.example", **ASKED["spiffe"]}
    )
    cluster = f"""\
trust: cluster
preset: kubernetes
issuer: {PLATFORMS["kubernetes"]["iss"]}
audience: remit
jwks_file: cluster.json
"""
    svid = Key("ES256", "svid", use="jwt-svid")
    domain = "trust: prod.example\npreset: spiffe\njwks_file: bundle.json\n"
    root = tree(tmp_path / "files", payments=9, **{
        "agents__invoice-bot": bot, "trusts__cluster": cluster, "trusts__domain": domain,
    })  # fmt: skip
    without_servers(root)
    (root / "trusts" / "cluster.json").write_text(json.dumps(key_set(key)), encoding="utf-8")
    (root / "trusts" / "bundle.json").write_text(json.dumps(key_set(svid)), encoding="utf-8")
    with home.up("--dev") as running:
        done = home.remit("apply", str(root), "--json")
        assert done.code in (0, 11), done.err
        assert home.remit("diff", str(root), "--json").code in (0, 9)
    with home.up("--dev") as running:
        now = int(time.time())
        status, answer = ask(running, key.sign(claims("kubernetes", now=now, aud="remit")))
        assert status == 200, answer
        base = running.ready["api"]
        status, answer = ask(running, svid.sign(claims("spiffe", now=now, aud=base)), assertion_type=JWT_SPIFFE)
        assert status == 200, answer
        # What an operator would regret is refused with its reason.
        done = home.remit(
            "trust", "add", "github", "--preset", "github_actions", "--audience", "https://github.com/octo-org"
        )
        assert (done.code, "this deployment's own" in done.err) == (3, True), done.err
        (root / "agents" / "invoice-bot.yaml").write_text(agent(kubernetes={"trust": "cluster", "namespace": "pay"}))
        done = home.remit("apply", str(root))
        assert (done.code, "service_account_uid: is missing" in done.err) == (3, True), done.err
