from typing import Any

import pytest

from remit.kernel.clock import DAY, Micros, parse_date_end
from remit.kernel.errors import ConfigInvalid, Malformed
from remit.people import document, spec
from remit.people.document import Fields, SpecInvalid
from remit.people.model import Owner
from remit.people.succession import answers_for, successor

DANA: dict[str, Any] = {"owner": "dana", "name": "Dana Reyes", "email": "dana@example.test", "backup": ["lee"]}


def test_an_owner_is_read() -> None:
    assert spec.owner(DANA) == Owner(owner="dana", name="Dana Reyes", email="dana@example.test", backup=("lee",))  # type: ignore[arg-type]
    assert spec.owner({key: DANA[key] for key in ("owner", "name", "email")}).backup == ()


@pytest.mark.parametrize(
    ("bend", "field"),
    [
        ({"owner": "Dana"}, "owner"),
        ({"owner": "d\u0430na"}, "owner"),
        ({"owner": "admin"}, "owner"),
        ({"owner": None}, "owner"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": 7}, "name"),
        ({"email": "dana"}, "email"),
        ({"email": "a b@c"}, "email"),
        ({"backup": "lee"}, "backup"),
        ({"backup": ["lee", "lee"]}, "backup"),
        ({"backup": ["dana"]}, "backup"),
        ({"backup": ["lee", "L"]}, "backup.1"),
        ({"phone": "1"}, "phone"),
    ],
)
def test_a_bad_owner_is_refused_by_field(bend: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecInvalid) as refused:
        spec.owner(DANA | bend)
    assert [problem.field for problem in refused.value.problems] == [field]
    assert str(refused.value).startswith(f"{field}: ")


@pytest.mark.parametrize("value", [None, [], "dana", 1])
def test_what_is_no_object_is_no_owner(value: object) -> None:
    with pytest.raises(ConfigInvalid, match="an object is expected"):
        spec.owner(value)


def test_all_problems_are_told() -> None:
    with pytest.raises(SpecInvalid) as refused:
        spec.owner({"owner": "X", "surprise": 1})
    assert [problem.field for problem in refused.value.problems] == ["surprise", "owner", "name", "email"]


def test_what_comes_later_is_refused_and_not_ignored() -> None:
    with pytest.raises(SpecInvalid, match="scope is not available in this version"):
        Fields({"scope": {}}, known={"action"}, later={"scope"}).finish()


@pytest.mark.parametrize("value", ["2027-06-30", "2027-06-30T24:00:00Z", "2027-13-01", "2027-W10-1", "20270630", 2027])
def test_an_end_is_a_date_or_a_time_with_offset(value: Any) -> None:
    if value == "2027-06-30":
        assert document.end(value) == parse_date_end(value)
        assert document.end("2027-07-01T02:00:00+02:00") == document.end(value)
    else:
        with pytest.raises(Malformed):
            document.end(value)


@pytest.mark.parametrize("value", ["9999-12-31", "1960-01-01", "2027-06-30T10:00:00"])
def test_an_end_out_of_range_is_refused(value: str) -> None:
    with pytest.raises(Malformed):
        document.end(value)


def test_numbers_and_durations_have_bounds() -> None:
    assert document.whole(1, 5)(5) == 5
    for bad in (0, 6, True, "3", 3.0):
        with pytest.raises(Malformed):
            document.whole(1, 5)(bad)
    assert document.duration(most=Micros(DAY))("24h") == DAY
    with pytest.raises(Malformed, match="too long"):
        document.duration(most=Micros(DAY))("25h")


def person(name: str, *, backup: tuple[str, ...] = (), active: bool = True) -> Owner:
    return Owner(owner=name, name=name, email="x@example.test", backup=backup, active=active)  # type: ignore[arg-type]


def test_the_first_active_backup_succeeds() -> None:
    people = {each.owner: each for each in (person("a", active=False), person("b"), person("c"))}
    assert successor(person("x", backup=("ghost", "a", "b", "c")), people.get) == "b"
    assert successor(person("x", backup=("ghost", "a")), people.get) is None


def test_only_the_owner_and_active_backups_answer() -> None:
    owner = person("dana", backup=("lee", "gone"))
    people = {each.owner: each for each in (owner, person("lee"), person("gone", active=False), person("mo"))}
    assert [answers_for(who, owner, people.get) for who in ("dana", "lee", "gone", "mo", "admin", "")] == [
        True, True, False, False, False, False,
    ]  # fmt: skip
    assert not answers_for("dana", None, people.get)
    people[owner.owner] = person("dana", backup=("lee",), active=False)
    assert not answers_for("dana", people[owner.owner], people.get)
    assert answers_for("lee", people[owner.owner], people.get)
