"""What OpenBao's secret ids and AWS's access keys need beyond what every rotator keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from tests.contract.rotating import ASKED, Sending
from tests.contract.rotator_aws import AwsBench, Later, material
from tests.contract.rotator_openbao import MAY, OpenBaoBench
from tests.real import moto
from tests.real.openbao import OpenBao

from remit.kernel.clock import Instant
from remit.keys.secret import Secret
from remit.vault.model import Material
from remit.vault.rotator import Answered, Doubtful, Refused, Unclear
from remit.vault.rotators.aws import AwsAccessKey
from remit.vault.rotators.openbao import OpenBaoSecretId

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # their servers come from PyPI


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[moto.Moto]:
    with moto.running(tmp_path_factory.mktemp("moto")) as running:
        yield running


@pytest.fixture
def aws(server: moto.Moto) -> AwsBench:
    return AwsBench(server)


class Losing(Sending):
    """A way out on which the answer to one action is lost, after it was done."""

    def __init__(self, action: bytes) -> None:
        self._action = action

    async def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        answer = await super().__call__(method, url, headers, body)
        if self._action in body or self._action in url.encode():
            raise Unclear("lost")
        return answer


def test_a_key_whose_answer_was_lost_is_deleted_and_never_the_one_in_use(aws: AwsBench) -> None:
    old = aws.first()
    plan = aws.plan(old)
    with pytest.raises(Unclear):
        asyncio.run(AwsAccessKey(Losing(b"CreateAccessKey"), Later(0)).create(plan, None))
    plan = replace(plan, asked=ASKED)
    (lost,) = set(aws.ids()) - {old.attributes["access_key_id"]}
    new = asyncio.run(aws.rotator().create(plan, None))
    assert set(aws.ids()) == {old.attributes["access_key_id"], new.attributes["access_key_id"]}
    assert lost not in aws.ids()


def test_what_is_left_over_is_taken_back_by_a_version_without_an_id(aws: AwsBench) -> None:
    old = aws.first()
    plan = aws.plan(old)
    with pytest.raises(Unclear):
        asyncio.run(AwsAccessKey(Losing(b"CreateAccessKey"), Later(0)).create(plan, None))
    plan = replace(plan, asked=ASKED)
    nothing = Material(value=Secret("what stands in its place"))
    assert not asyncio.run(aws.rotator().gone(plan, nothing))
    asyncio.run(aws.rotator().revoke(plan, nothing))
    assert asyncio.run(aws.rotator().gone(plan, nothing))
    assert aws.ids() == [old.attributes["access_key_id"]]


def test_a_key_of_somebody_elses_is_in_the_way_and_stays(aws: AwsBench) -> None:
    old = aws.first()
    strange = aws.server.key(aws.user)
    plan = aws.plan(old, started=aws.plan(old).started + 120_000_000)  # it was there before
    with pytest.raises(Refused, match=strange[0]):
        asyncio.run(aws.rotator().create(plan, None))
    assert set(aws.ids()) == {old.attributes["access_key_id"], strange[0]}


def test_a_key_that_a_person_made_meanwhile_stays_and_is_named(aws: AwsBench) -> None:
    old = aws.first()
    theirs = aws.server.key(aws.user)
    nothing = Material(value=Secret("what stands in its place"))
    for asked in ((), ((Instant(0), Instant(1)),)):  # no attempt asked for one, or none did when it was made
        plan = aws.plan(old, started=Instant(0), asked=asked)
        with pytest.raises(Refused, match=theirs[0]):
            asyncio.run(aws.rotator().create(plan, None))
        with pytest.raises(Doubtful, match=theirs[0]):
            asyncio.run(aws.rotator().revoke(plan, nothing))
        assert set(aws.ids()) == {old.attributes["access_key_id"], theirs[0]}


def test_of_two_unknown_keys_none_is_taken_for_its_own(aws: AwsBench) -> None:
    theirs = [aws.begun[0], aws.server.key(aws.user)[0]]
    plan = aws.plan(None, started=Instant(0), asked=ASKED)
    with pytest.raises(Refused, match=" and ".join(theirs)):
        asyncio.run(aws.rotator().create(plan, None))
    assert set(aws.ids()) == set(theirs)


def test_a_key_that_is_not_known_yet_is_asked_for_again(aws: AwsBench) -> None:
    unknown = material(("AKIAIOSFODNN7EXAMPLE", "no key of anybody's"))
    plan = aws.plan(aws.first())
    with pytest.raises(Unclear):
        asyncio.run(aws.rotator(clock=Later(0)).verify(plan, unknown))
    with pytest.raises(Refused, match="InvalidClientTokenId"):
        asyncio.run(aws.rotator(clock=Later(2)).verify(plan, unknown))


def test_a_key_of_another_user_is_refused(aws: AwsBench) -> None:
    with pytest.raises(Refused, match=aws.user):
        asyncio.run(aws.rotator().verify(aws.plan(aws.first()), aws.denied()))


def test_a_user_that_is_not_there_is_refused(aws: AwsBench) -> None:
    plan = aws.plan(aws.first(), settings={**aws.settings, "user": "nobody"})
    with pytest.raises(Refused, match="NoSuchEntity"):
        asyncio.run(aws.rotator().create(plan, None))


def test_a_secret_id_names_its_rotation_and_its_logins_leave_no_token(openbao: OpenBao) -> None:
    bench = OpenBaoBench(openbao)
    plan = bench.plan(bench.first(), rotation="rot_of_this_test")
    new = asyncio.run(bench.rotator().create(plan, bench.rotator().propose(plan)))
    before = openbao.done("LIST", "auth/token/accessors")["data"]["keys"]
    asyncio.run(bench.rotator().verify(plan, new))
    assert len(openbao.done("LIST", "auth/token/accessors")["data"]["keys"]) == len(before)
    found = openbao.done("POST", f"auth/approle/role/{bench.name}/secret-id/lookup", {"secret_id": new.value.text()})
    assert found["data"]["metadata"] == {"rotation": "rot_of_this_test", "secret": "payments-key", "version": "2"}


def test_a_registration_whose_answer_was_lost_is_found_again(openbao: OpenBao) -> None:
    bench = OpenBaoBench(openbao)
    old, count = bench.first(), bench.count()
    plan = bench.plan(old)
    proposed = bench.rotator().propose(plan)
    with pytest.raises(Unclear):
        asyncio.run(OpenBaoSecretId(Losing(b"custom-secret-id")).create(plan, proposed))
    assert asyncio.run(bench.rotator().create(plan, proposed)) == proposed
    assert bench.count() == count + 1


def test_a_role_that_limits_uses_is_refused(openbao: OpenBao) -> None:
    bench = OpenBaoBench(openbao)
    openbao.done("POST", f"auth/approle/role/{bench.name}", {"secret_id_num_uses": 5})
    plan = bench.plan(bench.first())
    with pytest.raises(Refused, match="secret_id_num_uses"):
        asyncio.run(bench.rotator().create(plan, bench.rotator().propose(plan)))


def test_a_role_that_is_not_there_is_refused(openbao: OpenBao) -> None:
    bench = OpenBaoBench(openbao)
    openbao.policy(f"{bench.name}-admin", MAY.replace("%s", bench.name) + MAY.replace("%s", "nobodys"))
    plan = bench.plan(bench.first(), settings={**bench.settings, "role": "nobodys"})
    for _ in range(2):
        with pytest.raises((Refused, Unclear)):
            asyncio.run(bench.rotator().create(plan, bench.rotator().propose(plan)))


def test_the_administrator_may_be_a_role_of_its_own(openbao: OpenBao) -> None:
    bench = OpenBaoBench(openbao)
    role_id, secret_id = openbao.approle(f"{bench.name}-remit", "default", f"{bench.name}-admin")
    admin = Material(value=Secret(secret_id), attributes={"role_id": role_id})
    plan = replace(bench.plan(bench.first()), admin=lambda _name: admin)
    before = openbao.done("LIST", "auth/token/accessors")["data"]["keys"]
    new = asyncio.run(bench.rotator().create(plan, bench.rotator().propose(plan)))
    assert bench.works(new)
    assert len(openbao.done("LIST", "auth/token/accessors")["data"]["keys"]) <= len(before) + 1  # of `works` alone
    wrong = replace(plan, admin=lambda _name: replace(admin, value=Secret("another secret id")))
    with pytest.raises(Refused, match="log in"):
        asyncio.run(bench.rotator().create(wrong, new))
