"""OAuth clients that others wrote, against a running Remit that asks for nonces everywhere and takes secrets."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.running import AGENT, Home, tree

WHY = "a client that others wrote is missing: it is in the dev group of pyproject.toml"
requests = pytest.importorskip("requests", reason=WHY)
requests_oauth2client = pytest.importorskip("requests_oauth2client", reason=WHY)
authlib_client = pytest.importorskip("authlib.integrations.requests_client", reason=WHY)

from authlib.oauth2.drafts.id_jag import IDJAGGrant  # noqa: E402 - after it is known to be there
from authlib.oauth2.rfc7523 import PrivateKeyJWT  # noqa: E402 - likewise
from joserfc.jwk import ECKey, RSAKey  # noqa: E402 - likewise

IDP = "https://idp.example.test"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "purpose:pay-invoices"
IDENTITY = f"  - {{id_jag: {{issuer: {IDP!r}, purposes: [pay-invoices]}}}}\n"
PLAIN = AGENT.replace("invoice-bot", "plain-bot").replace("dpop", "none")
SIGNING = PLAIN.replace("plain-bot", "signing-bot")


@dataclass
class Scene:
    """A running Remit, its agents' keys, and an identity provider."""

    url: str
    key: dict[str, Any]
    plain_key: dict[str, Any]  # of the agent whose tokens are bound to none
    secret: str
    idp: Any

    @property
    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = requests.get(f"{self.url}/.well-known/oauth-authorization-server", timeout=10).json()
        return found

    def client(self, **said: Any) -> Any:
        return requests_oauth2client.OAuth2Client.from_discovery_document(
            self.metadata, issuer=self.url, testing=True, **said
        )

    def signing(self, **said: Any) -> Any:
        """The client of the agent that has a key."""
        made = requests_oauth2client.PrivateKeyJwt("invoice-bot", self.key, alg="ES256", aud=self.url)
        return self.client(auth=made, dpop_bound_access_tokens=True, **said)

    def identity_assertion(self, client: str) -> str:
        """What an identity provider says of a person, made by a library of others."""
        return str(
            IDJAGGrant.sign(
                self.idp, issuer=IDP, audience=self.url, subject="person-1", client_id=client, jti=uuid.uuid4().hex,
                claims={"resource": f"{self.url}/mcp/payments", "scope": SCOPE}, alg="RS256",
                header={"kid": self.idp.as_dict()["kid"], "alg": "RS256"},
            )
        )  # fmt: skip


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    place = tmp_path_factory.mktemp("clients")
    home = Home(place / "home")
    home.path.mkdir(mode=0o700)
    files = tree(place / "files", payments=9, servers__payments="[]", boundaries__invoice_bot="[]")
    (files / "boundaries" / "invoice-bot.yaml").unlink()
    for name in ("invoice-bot", "signing-bot"):
        home.remit("agent", "keygen", name, "--out", str(files / "agents" / name))
    made = home.remit("agent", "secret", "plain-bot", "--json").json
    hashed = json.dumps(made["attest"]["client_secret"]["scrypt"])
    _attest(files, "invoice-bot", AGENT, "  - {private_key_jwt: {jwk_file: invoice-bot.pub.jwk}}\n")
    _attest(files, "signing-bot", SIGNING, "  - {private_key_jwt: {jwk_file: signing-bot.pub.jwk}}\n")
    _attest(files, "plain-bot", PLAIN, f"  - {{client_secret: {{scrypt: {hashed}}}}}\n")
    idp = RSAKey.generate_key(2048, {"kid": "idp-1", "alg": "RS256", "use": "sig"})
    keys = place / "idp.jwks"
    keys.write_text(json.dumps({"keys": [idp.as_dict(private=False)]}), encoding="utf-8")
    with home.up("--dev", "--dpop-nonce", "both", "--client-secrets") as up:
        url = up.ready["api"]
        for command in (
            ("trust", "add", "idp", "--issuer", IDP, "--audience", url, "--jwks", str(keys)),
            ("apply", str(files), "--approve", "--as", "dana"),
        ):
            done = home.remit(*command)
            assert done.code == 0, done.err
        key, plain = (
            json.loads((files / "agents" / name).read_text("utf-8")) for name in ("invoice-bot", "signing-bot")
        )
        yield Scene(url, key, plain, made["secret"], idp)


def brief() -> dict[str, int]:
    """Its assertions last an hour unless told otherwise, and Remit takes none that lasts longer than five minutes."""
    return {"exp": int(time.time()) + 60}


def _attest(files: Path, name: str, text: str, method: str) -> None:
    kept = text.partition("attest:")[0]
    (files / "agents" / f"{name}.yaml").write_text(f"{kept}attest:\n{method}{IDENTITY}", encoding="utf-8")


@pytest.mark.requirement("dpop:nonce")
@pytest.mark.requirement("introspection:active")
def test_requests_oauth2client_gets_a_token_uses_it_and_ends_it(scene: Scene) -> None:
    client = scene.signing()
    token = client.client_credentials(scope=SCOPE, resource=scene.url)
    assert isinstance(token, requests_oauth2client.DPoPToken)
    # At a resource: the first proof has no nonce of ours, and the library sends another by itself.
    asked = requests.Session()
    asked.auth = token
    answer = asked.get(f"{scene.url}/v1/me/mandate", timeout=10)
    assert answer.status_code == 200, answer.text
    assert answer.headers["DPoP-Nonce"]
    assert client.introspect_token(token)["sub"] == "invoice-bot"
    assert client.revoke_access_token(token) is True
    assert client.introspect_token(token) == {"active": False}


@pytest.mark.requirement("jag:accepted")
def test_requests_oauth2client_comes_with_a_persons_word(scene: Scene) -> None:
    client = scene.signing()
    token = client.jwt_bearer(scene.identity_assertion("invoice-bot"), dpop=True)
    assert client.introspect_token(token)["sub"] == "invoice-bot"
    with pytest.raises(requests_oauth2client.InvalidGrant):
        client.jwt_bearer(scene.identity_assertion("plain-bot"), dpop=True)


@pytest.mark.requirement("client:secret")
@pytest.mark.parametrize("method", ["ClientSecretBasic", "ClientSecretPost"])
def test_requests_oauth2client_with_a_secret(scene: Scene, method: str) -> None:
    auth = getattr(requests_oauth2client, method)("plain-bot", scene.secret)
    client = scene.client(auth=auth)
    token = client.client_credentials(resource=f"{scene.url}/mcp/payments")
    assert client.introspect_token(token)["active"] is True
    assert client.revoke_access_token(token) is True
    assert client.introspect_token(token) == {"active": False}
    with pytest.raises(requests_oauth2client.InvalidClient):
        scene.client(auth=getattr(requests_oauth2client, method)("plain-bot", "wrong")).client_credentials()


@pytest.mark.requirement("client:secret")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_with_a_secret(scene: Scene, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    found = scene.metadata
    with authlib_client.OAuth2Session(
        "plain-bot", scene.secret, token_endpoint_auth_method=method, revocation_endpoint_auth_method=method
    ) as client:
        token = client.fetch_token(
            found["token_endpoint"], grant_type="client_credentials", resource=f"{scene.url}/mcp/payments"
        )
        assert (token["token_type"], token["scope"]) == ("Bearer", SCOPE)
        said = client.introspect_token(found["introspection_endpoint"], token=token["access_token"])
        assert said.json()["client_id"] == "plain-bot"
        assert client.revoke_token(found["revocation_endpoint"], token=token["access_token"]).status_code == 200
        said = client.introspect_token(found["introspection_endpoint"], token=token["access_token"])
        assert said.json() == {"active": False}


@pytest.mark.requirement("jag:accepted")
def test_authlib_comes_with_a_persons_word(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    with authlib_client.OAuth2Session("plain-bot", scene.secret) as client:
        token = client.fetch_token(
            scene.metadata["token_endpoint"], grant_type=JWT_BEARER, assertion=scene.identity_assertion("plain-bot")
        )
        assert token["scope"] == SCOPE
        assert "refresh_token" not in token


@pytest.mark.requirement("client:private-key-jwt")
def test_authlib_signs_its_assertion(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no DPoP, so an agent whose tokens are bound to a key learns what is missing, and no more."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    key = ECKey.import_key({name: value for name, value in scene.key.items() if name != "alg"})
    with authlib_client.OAuth2Session("invoice-bot", key, token_endpoint_auth_method="private_key_jwt") as client:
        client.register_client_auth_method(PrivateKeyJWT(scene.url, alg="ES256", claims=brief()))
        with pytest.raises(authlib_client.OAuthError) as caught:
            client.fetch_token(scene.metadata["token_endpoint"], grant_type="client_credentials", scope=SCOPE)
        assert caught.value.error == "invalid_dpop_proof"


@pytest.mark.requirement("client:private-key-jwt")
def test_authlib_signs_its_assertion_gets_a_token_and_uses_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    key = ECKey.import_key({name: value for name, value in scene.plain_key.items() if name != "alg"})
    with authlib_client.OAuth2Session("signing-bot", key, token_endpoint_auth_method="private_key_jwt") as client:
        client.register_client_auth_method(PrivateKeyJWT(scene.url, alg="ES256", claims=brief()))
        token = client.fetch_token(
            scene.metadata["token_endpoint"], grant_type="client_credentials", scope=SCOPE, resource=scene.url
        )
        assert (token["token_type"], token["scope"]) == ("Bearer", SCOPE)
        answer = client.get(f"{scene.url}/v1/me/mandate", timeout=10)
        assert answer.status_code == 200, answer.text
        assert requests.get(f"{scene.url}/v1/me/mandate", timeout=10).status_code == 401
        # And no other key signs for it.
        other = ECKey.import_key({name: value for name, value in scene.key.items() if name != "alg"})
        client.client_secret = other
        with pytest.raises(authlib_client.OAuthError) as caught:
            client.fetch_token(scene.metadata["token_endpoint"], grant_type="client_credentials", resource=scene.url)
        assert caught.value.error == "invalid_client"
