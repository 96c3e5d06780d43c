"""An issuer of tests' own, and the claims of tokens as platforms' public documentation shows them.

The keys are ours, so nothing here was signed by the platform it looks like.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from remit.agents import spec  # noqa: F401 - the readers of `attest`
from remit.agents.binding import READERS, Binding
from remit.attestation.ports import Bound
from remit.attestation.trust import Trust, declared
from remit.keys.base64url import encode
from remit.server.platforms import usual

BASE = "https://remit.example"

# Shapes: docs.github.com "OpenID Connect reference"; KEP-1205; the Compute Engine guide "Verify the identity of VMs";
# Microsoft's "Access token claims reference"; the IAM guide "Understanding token claims"; the JWT-SVID standard.
PLATFORMS: dict[str, dict[str, Any]] = {
    "github_actions": {
        "iss": "https://token.actions.githubusercontent.com",
        "sub": "repo:octo-org/octo-repo:ref:refs/heads/main",
        "jti": "2c1f4e3a-96b1-4b5c-8f5c-0a4d1c2b3e4f",
        "repository": "octo-org/octo-repo",
        "repository_id": "74",
        "repository_owner": "octo-org",
        "repository_owner_id": "65",
        "repository_visibility": "private",
        "ref": "refs/heads/main",
        "ref_type": "branch",
        "event_name": "workflow_dispatch",
        "workflow": "pay",
        "job_workflow_ref": "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main",
        "runner_environment": "github-hosted",
        "run_id": "22259804324",
        "actor": "octocat",
        "actor_id": "12",
    },
    "kubernetes": {
        "iss": "https://oidc.cluster.example/id/80D562ED8026E912",
        "sub": "system:serviceaccount:pay:invoice-bot",
        "jti": "7ff720a1-285e-4518-b20f-586a752db523",
        "kubernetes.io": {
            "namespace": "pay",
            "node": {"name": "worker-1", "uid": "1c7e4e2a-9a53-4d1c-8a1b-0f3a6a1f7b11"},
            "pod": {"name": "invoice-bot-6f8", "uid": "49ad3572-b3dd-43a6-8d77-5858d3660275"},
            "serviceaccount": {"name": "invoice-bot", "uid": "f5720c1d-e152-4356-a897-11b07aff165d"},
        },
    },
    "gcp": {
        "iss": "https://accounts.google.com",
        "sub": "105271527809661757734",
        "azp": "105271527809661757734",
        "email": "invoice-bot@a-project.iam.gserviceaccount.com",
        "email_verified": True,
        "google": {
            "compute_engine": {
                "instance_creation_timestamp": 1744730390,
                "instance_id": "1888435224091805695",
                "instance_name": "instance-1",
                "project_id": "a-project",
                "project_number": 411143357921,
                "zone": "us-central1-c",
            }
        },
    },
    "azure": {
        "iss": "https://sts.windows.net/291168e9-1ded-42d8-8608-c9ff8fe7c21b/",
        "sub": "6f5c2d3e-0c0f-4f0e-9b7e-2f0a5a0a7d11",
        "oid": "6f5c2d3e-0c0f-4f0e-9b7e-2f0a5a0a7d11",
        "tid": "291168e9-1ded-42d8-8608-c9ff8fe7c21b",
        "appid": "fa9a8f5e-2f0c-4a3a-9d0e-7d6a5c4b3a21",
        "appidacr": "2",
        "idtyp": "app",
        "uti": "q0Zx1uJ8rk6vQ3s0AAAA",
        "ver": "1.0",
        "xms_mirid": "/subscriptions/7244/resourcegroups/pay/providers/Microsoft.ManagedIdentity/identities/bot",
    },
    "aws": {
        "iss": "https://abc123-def456-ghi789-jkl012.tokens.sts.global.api.aws",
        "sub": "arn:aws:iam::123456789012:role/DataProcessingRole",
        "jti": "xyz123-def456-ghi789-jkl012",
        "https://sts.amazonaws.com/": {
            "aws_account": "123456789012",
            "source_region": "us-east-1",
            "org_id": "o-abc1234567",
            "principal_tags": {"environment": "production"},
        },
    },
    "spiffe": {"sub": "spiffe://prod.example/ns/pay/sa/invoice-bot"},
    "oidc": {"iss": "https://issuer.example", "sub": "workload-17", "jti": "a1", "team": {"id": "9", "name": "pay"}},
}
ASKED: dict[str, dict[str, Any]] = {
    "github_actions": {"repository_id": "74", "ref": "refs/heads/main"},
    "kubernetes": {"namespace": "pay", "service_account_uid": "f5720c1d-e152-4356-a897-11b07aff165d"},
    "gcp": {"sub": "105271527809661757734", "project_id": "a-project"},
    "azure": {"tid": "291168e9-1ded-42d8-8608-c9ff8fe7c21b", "oid": "6f5c2d3e-0c0f-4f0e-9b7e-2f0a5a0a7d11"},
    "aws": {"account": "123456789012", "arn": "arn:aws:iam::123456789012:role/DataProcessingRole"},
    "spiffe": {"id": "spiffe://prod.example/ns/pay/sa/invoice-bot"},
    "oidc": {"claims": {"sub": "workload-17", "team": {"id": "9"}}},
}
NAMES = {name: "prod.example" if name == "spiffe" else name.replace("_", "-") for name in PLATFORMS}


class Key:
    """A key of an issuer."""

    def __init__(self, algorithm: str = "RS256", kid: str = "k1", *, use: str = "sig") -> None:
        self.algorithm, self.kid, self.use = algorithm, kid, use
        self.key: Any = (
            rsa.generate_private_key(65537, 2048)
            if algorithm[:2] in {"RS", "PS"}
            else ec.generate_private_key(_curve(algorithm))
        )

    @property
    def jwk(self) -> dict[str, Any]:
        numbers = self.key.public_key().public_numbers()
        named: dict[str, Any] = {"kid": self.kid, "use": self.use}
        if self.use == "sig":
            named["alg"] = self.algorithm
        if isinstance(self.key, rsa.RSAPrivateKey):
            return {**named, "kty": "RSA", "n": _number(numbers.n, 256), "e": _number(numbers.e, 3)}
        size = (self.key.curve.key_size + 7) // 8
        curve = {256: "P-256", 384: "P-384", 521: "P-521"}[self.key.curve.key_size]
        return {**named, "kty": "EC", "crv": curve, "x": _number(numbers.x, size), "y": _number(numbers.y, size)}

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        head = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT", **header}
        text = ".".join(
            encode(json.dumps({k: v for k, v in part.items() if v is not ...}).encode()) for part in (head, claims)
        )
        return f"{text}.{encode(self._signature(text.encode()))}"

    def _signature(self, message: bytes) -> bytes:
        digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[self.algorithm[2:]]
        if isinstance(self.key, rsa.RSAPrivateKey):
            pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
            found: bytes = self.key.sign(message, pss if self.algorithm[0] == "P" else padding.PKCS1v15(), digest)
            return found
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(digest)))
        size = (self.key.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def key_set(*keys: Key) -> dict[str, Any]:
    return {"keys": [key.jwk for key in keys]}


def trust(platform: str, *keys: Key, **changes: Any) -> Trust:
    """A trust of `platform` with its keys given as a file."""
    said: dict[str, Any] = {"trust": NAMES[platform], "preset": platform}
    if platform != "spiffe":
        said |= {"audience": BASE, "issuer": PLATFORMS[platform]["iss"]}
    if keys:
        said["jwks"] = key_set(*keys)
    said |= changes
    return declared({k: v for k, v in said.items() if v is not ...}, usual=usual())


def bound(platform: str, **changes: Any) -> Bound:
    """What the document of an agent on `platform` lets in."""
    binding = Binding(platform, READERS[platform]({"trust": NAMES[platform], **ASKED[platform], **changes}))
    return Bound(binding.method, binding.said, binding.credential)


def claims(platform: str, *, now: int, **changes: Any) -> dict[str, Any]:
    """A token's claims, issued at `now` seconds."""
    found = {**PLATFORMS[platform], "aud": BASE, "iat": now, "nbf": now, "exp": now + 300} | changes
    if platform == "kubernetes" and isinstance(found["aud"], str):
        found["aud"] = [found["aud"]]  # the cluster always writes a list
    return {k: v for k, v in found.items() if v is not ...}


def _curve(algorithm: str) -> ec.EllipticCurve:
    return {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}[algorithm]


def _number(value: int, size: int) -> str:
    return encode(value.to_bytes(size, "big"))
