"""What a token's entry says of who was let in: workloads in the open, and sealed what may be a person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.attestation.model import Attested, Platform, Process
from remit.kernel.names import AgentName
from remit.tokens.evidence import NONE, evidence


def attested(*, process: Process | None = None, platform: Platform | None = None) -> Attested:
    return Attested(agent=AgentName("a"), credential="c", method="m", process=process, platform=platform)


def test_a_key_needs_no_evidence_beside_itself() -> None:
    assert evidence(None) == evidence(attested()) == NONE


def test_a_processs_arguments_are_sealed() -> None:
    fields, sealed = evidence(attested(process=Process(uid=1, pid=2, digest="ab", argv=("python", "secret"))))
    assert fields == {"pid": 2, "digest": "ab"}
    assert sealed == {"argv": ["python", "secret"]}


@pytest.mark.parametrize("preset", ["github_actions", "kubernetes", "gcp", "azure", "aws", "spiffe"])
def test_a_platforms_workload_stands_in_the_open(preset: str) -> None:
    fields, sealed = evidence(attested(platform=Platform(trust="t", preset=preset, issuer="https://i", subject="s")))
    assert (fields, sealed) == ({"platform": {"trust": "t", "issuer": "https://i", "sub": "s"}}, None)


@given(st.text(min_size=12))
def test_who_may_be_a_person_stands_nowhere_in_the_open(subject: str) -> None:
    word = Platform(trust="idp", preset="oidc", issuer="https://i", subject=subject)
    fields, sealed = evidence(attested(platform=word))
    assert fields == {"platform": {"trust": "idp", "issuer": "https://i"}}
    assert sealed == {"platform": {"sub": subject}}


def test_a_word_without_a_subject_has_nothing_to_seal() -> None:
    word = Platform(trust="idp", preset="oidc", issuer="https://i", subject=None)
    assert evidence(attested(platform=word)) == ({"platform": {"trust": "idp", "issuer": "https://i"}}, None)
