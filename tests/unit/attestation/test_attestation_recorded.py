"""Key sets that real issuers published, as they were recorded: they are read whole, and their keys verify.

The SPIFFE bundle among them was published by no issuer: it is the example of a specification.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from remit.attestation.ports import Loaded
from remit.attestation.published import PublishedKeys
from remit.attestation.trust import Trust, declared
from remit.kernel.clock import SECOND
from remit.keys import foreign, jose
from remit.outbound.fetch import Fetched
from remit.outbound.model import Endpoint
from remit.server.platforms import usual

RECORDED = Path(__file__).parent / "recorded"
# By file: the kids that can be used, each with the algorithms that its key may be used for.
RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
USABLE: dict[str, dict[str, tuple[str, ...]]] = {
    "github_actions": {
        "cc413527-173f-5a05-976e-9c52b1d7b431": ("RS256",),
        "38826b17-6a30-5f9b-b169-8beb8202f723": ("RS256",),
        "1F2AB83404C08EC9EA0BB99DAED02186B091DBF4": ("RS256",),
    },
    "google": {
        "6719678351a5faedc2e70274bbea62da2a8c4a12": ("RS256",),
        "674dbba8faee69acae1bc1be190453678f472803": ("RS256",),
    },
    # Microsoft's keys do not say for which algorithm they are: the trust does, with RS256 alone.
    "microsoft": {"Mc7l3Iz93g7uwgNeEmmw_WYGPko": RSA, "8IIDH6M8c3cXoeojKme8Jvqsr2Y": RSA},
    "kubernetes": {"fuNL37K14ZiodLEvvsnoNGimsNBID35sSwU309szO-0": ("RS256",)},
    # Of a bundle, the keys for JWT-SVIDs alone.
    "spiffe": {"6d02Vc2oU62mXVH5nlggHGLmfIhrlnNW": ("ES256",)},
}
TRUSTS: dict[str, dict[str, Any]] = {
    "github_actions": {},
    "google": {"preset": "gcp"},
    "microsoft": {"preset": "azure", "issuer": "https://login.microsoftonline.com/291168e9/v2.0"},
    "kubernetes": {"issuer": "https://kubernetes.default.svc.cluster.local"},
    "spiffe": {"trust": "example.org", "jwks_url": "https://example.com/bundle.json", "audience": ...},
}


def text(name: str) -> bytes:
    return (RECORDED / f"{name}.json").read_bytes()


def trust(name: str) -> Trust:
    said = {"trust": "t", "preset": name, "audience": "https://remit.example", "jwks_url": "https://keys.example/"}
    return declared({k: v for k, v in (said | TRUSTS[name]).items() if v is not ...}, usual=usual())


class Pages:
    """Implements `outbound.fetch.Fetch`: whatever is asked for, the recorded set."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get(self, url: str, *, own: Collection[Endpoint] = ()) -> Fetched:  # noqa: ARG002 - the port's
        return Fetched(text(self.name), "application/json")


def test_every_recorded_set_is_read_here() -> None:
    assert {each.stem for each in RECORDED.iterdir()} == USABLE.keys()
    for name in USABLE:
        said = json.loads(text(name))
        assert said["issuer"]
        assert said["from"], "where it was recorded, or the specification whose example it is"
        assert not [key for key in said["keys"] if {"d", "p", "q", "k"} & key.keys()]


@pytest.mark.parametrize("name", USABLE)
def test_the_usable_keys_of_each_set(name: str) -> None:
    loaded: Loaded = PublishedKeys(Pages(name))(trust(name))
    found = {each.kid: tuple(way for way in foreign.ALGORITHMS if each.for_algorithm(way)) for each in loaded.keys.keys}
    assert found == USABLE[name]
    # What the trust takes, whatever a key would do.
    taken = {way for ways in found.values() for way in ways} & set(trust(name).algorithms)
    assert taken == ({"ES256"} if name == "spiffe" else {"RS256"})


def test_the_bundles_sequence_and_hint_are_read() -> None:
    loaded = PublishedKeys(Pages("spiffe"))(trust("spiffe"))
    assert (loaded.sequence, loaded.refresh) == (10, 300 * SECOND)


def test_a_bundles_keys_for_certificates_are_no_issuers_keys() -> None:
    with pytest.raises(jose.JoseInvalid, match="no key that can be used"):
        foreign.key_set(text("spiffe"))


def certificates() -> list[tuple[str, dict[str, Any]]]:
    every = [(name, key) for name in USABLE if name != "spiffe" for key in json.loads(text(name))["keys"]]
    return [(name, key) for name, key in every if "x5c" in key]


@pytest.mark.parametrize(("name", "jwk"), certificates(), ids=lambda each: each if isinstance(each, str) else "")
def test_a_recorded_key_verifies_what_its_owner_signed(name: str, jwk: dict[str, Any]) -> None:
    """The certificate beside it is signed by the key itself: a signature that the real issuer made."""
    signed = x509.load_der_x509_certificate(base64.b64decode(jwk["x5c"][0]))
    key = foreign.key_set(text(name)).find({"kid": jwk["kid"], "alg": "RS256"})
    assert key is not None
    assert key.verifies(signed.signature, signed.tbs_certificate_bytes)
    assert not key.verifies(signed.signature, signed.tbs_certificate_bytes + b"\0")
