"""C2SP/wycheproof's JSON Web Signature vectors against the strict wrapper.

Only ES256 and Ed25519 exist here, so every group for another algorithm (HS256, RS*, PS*,
ES512) counts as refused: valid vectors of those groups are refused too, at the key. Their
headers and encodings are still worth running against an ES256 key's lookup, because
grammar and header come before the key is asked for. What other issuers may sign with (`keys/foreign`: RS*, PS*,
ES*) runs all vectors once more, with the group's key as a published one.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from remit.keys.foreign import ALGORITHMS, ForeignKey, key_set
from remit.keys.jose import JoseInvalid, PublicKey, public_key, verify

VECTORS = json.loads((Path(__file__).parent / "vectors" / "json_web_signature_test.json").read_text(encoding="utf-8"))
ENABLED = ("ES256", "Ed25519")
# Marked invalid though equal to a valid vector, and marked valid though they hold a "?".
EQUAL_TO_A_VALID_ONE = {367, 370}
VALID_WITH_A_QUESTION_MARK = {372, 373}

# Of others: a key marked PS256 that signed PS384, and the algorithm "ES521", which does not exist.
STRICTLY_REFUSED = {346, 347, 350, 351}

CASES = [(group, test) for group in VECTORS["testGroups"] for test in group["tests"]]
_ids = [f"{test['tcId']}-{test['comment']}" for _, test in CASES]


def _accepted(group: dict[str, Any], token: str) -> bool:
    def key(header: Mapping[str, Any]) -> PublicKey | None:
        jwk = group.get("public", group["private"])
        # Kid mismatch is the lookup's to refuse.
        return public_key(jwk) if header.get("kid") == jwk.get("kid") else None

    try:
        verify(token, typ="", algorithms=ENABLED, key=key)
    except JoseInvalid as refusal:
        # The vectors' payloads are texts, not claims: a signature that held is an acceptance here.
        return "claims" in refusal.public
    return True


def _enabled(group: dict[str, Any]) -> bool:
    return bool(group.get("public", group["private"]).get("alg") == "ES256")


def test_the_file_is_whole() -> None:
    assert len(CASES) == VECTORS["numberOfTests"] == 401


@pytest.mark.requirement("jose:vectors")
@pytest.mark.parametrize(("group", "test"), CASES, ids=_ids)
def test_vector(group: dict[str, Any], test: dict[str, Any]) -> None:
    expected = test["result"] == "valid" and _enabled(group)
    assert _accepted(group, test["jws"]) is expected


def test_the_enabled_groups_have_vectors_of_both_kinds() -> None:
    ran = [test["result"] for group, test in CASES if _enabled(group)]
    assert (ran.count("valid"), ran.count("invalid")) == (2, 37)


@pytest.mark.parametrize("case", sorted(EQUAL_TO_A_VALID_ONE | VALID_WITH_A_QUESTION_MARK))
def test_the_misjudged_vectors_are_what_the_note_says(case: int) -> None:
    token = next(test["jws"] for _, test in CASES if test["tcId"] == case)
    equal = [test["tcId"] for _, test in CASES if test["jws"] == token and test["result"] == "valid"]
    assert bool(equal) is (case in EQUAL_TO_A_VALID_ONE or "?" in token)
    assert ("?" in token) is (case in VALID_WITH_A_QUESTION_MARK)


def _accepted_of_others(group: dict[str, Any], token: str) -> bool:
    jwk = group.get("public", group["private"])

    def key(header: Mapping[str, Any]) -> ForeignKey | None:
        # A published key has an id, and a token names it; most vectors have none, and mean the one there is.
        published = key_set({"keys": [{"kid": "only", **jwk}]})
        named = header.get("kid") == jwk.get("kid")
        return published.find({**header, "kid": jwk.get("kid", "only")}) if named else None

    try:
        verify(token, typ=("", "JWT", "JOSE"), algorithms=ALGORITHMS, key=key)
    except JoseInvalid as refusal:
        return "claims" in refusal.public
    return True


@pytest.mark.requirement("jose:vectors")
@pytest.mark.parametrize(("group", "test"), CASES, ids=_ids)
def test_vector_of_another_issuer(group: dict[str, Any], test: dict[str, Any]) -> None:
    symmetric = group.get("public", group["private"])["kty"] == "oct"
    expected = test["result"] == "valid" and not symmetric and test["tcId"] not in STRICTLY_REFUSED
    assert _accepted_of_others(group, test["jws"]) is expected


def test_no_invalid_vector_is_accepted_by_either() -> None:
    judged = [
        (test["result"], _accepted(group, test["jws"]), _accepted_of_others(group, test["jws"]))
        for group, test in CASES
    ]
    assert [each for each in judged if each[0] == "invalid" and (each[1] or each[2])] == []
    assert [sum(each[way] for each in judged) for way in (1, 2)] == [2, 32]
