import pytest

from remit.attestation.assertion import AssertionRefused
from remit.attestation.local_process import LocalProcess
from remit.attestation.model import Process

EVIDENCE = "ab" * 32


class Uids:
    def local_uids(self, client: str) -> tuple[int, ...]:
        return (1000, 0) if client == "bot" else ()


def test_a_process_of_a_registered_user_is_the_agent() -> None:
    process = Process(uid=1000, pid=7, digest=EVIDENCE, argv=("python",))
    attested = LocalProcess(Uids()).authenticate("bot", process)
    assert (attested.agent, attested.credential, attested.method) == ("bot", "uid:1000", "local_process")
    assert attested.process == process


@pytest.mark.parametrize(("client", "uid"), [("bot", 1001), ("bot", 1), ("other", 1000), ("", 0)])
def test_any_other_user_is_not_and_an_unknown_agent_reads_alike(client: str, uid: int) -> None:
    with pytest.raises(AssertionRefused) as refused:
        LocalProcess(Uids()).authenticate(client, Process(uid=uid, pid=7, digest=EVIDENCE))
    assert refused.value.reason == f"no agent of that name is attested by uid {uid}"
    assert refused.value.public == "client authentication failed"


def test_the_evidence_decides_nothing() -> None:
    for digest, argv in ((None, ()), (EVIDENCE, ("a", "b"))):
        process = Process(uid=0, pid=1, digest=digest, argv=argv)
        assert LocalProcess(Uids()).authenticate("bot", process).agent == "bot"
