"""Secrets' documents in apply: where a secret may go is checked, and going further takes two people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.interaction.apply_world import ADMIN, LEE, Rig, Tree
from tests.interaction.desk import Desk

from remit.kernel.clock import DAY, MINUTE, Instant, Micros
from remit.kernel.errors import RemitError
from remit.kernel.names import OwnerName, SecretName
from remit.server.documents import TreeInvalid
from remit.storage.ports import Transaction
from remit.vault.document import Allowed, Cause, Rotate, SecretDocument
from remit.vault.document_json import text
from remit.vault.document_sql import SqlDocuments
from remit.vault.settings import MAKERS, ROTATORS
from remit.vault.sql import SqlSecrets

NAME = SecretName("payments-key")
HERE = "127.0.0.1:9101"


@pytest.fixture(autouse=True)
def _any_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents are what is tested here; each rotator and maker checks its own settings elsewhere."""
    for checks in (ROTATORS, MAKERS):
        for name in checks:
            monkeypatch.setitem(checks, name, lambda _settings: iter(()))


def places(*allow: dict[str, str]) -> dict[str, Any]:
    return {"secret": NAME, "owner": "dana", "allow": list(allow)}


def stored(rig: Rig) -> SecretDocument | None:
    return rig.writer.read(lambda connection: SqlDocuments(connection).find(NAME))


def row(answer: tuple[int, dict[str, Any]], kind: str = "secret") -> dict[str, Any]:
    assert answer[0] == 200, answer
    found: dict[str, Any] = next(each for each in answer[1]["changes"] if each["kind"] == kind)
    return found


@pytest.fixture
def bearing(tree: Tree) -> Tree:
    """A tree whose server bears the secret."""
    tree.server["credential"] = {"secret": NAME}
    return tree


def test_a_document_comes_changes_and_goes(rig: Rig, tree: Tree) -> None:
    tree.secrets = [
        places({"host": HERE, "place": "header:Authorization", "path": "/mcp"})
        | {"rotate": {"every": "30d", "on": ["exposure"], "http": {"url": "http://127.0.0.1:9000/keys"}}}
    ]
    assert rig.apply(tree)[f"secret/{NAME}"] | {"note": ""} == {
        "kind": "secret", "name": NAME, "change": "create", "state": "rotated", "waits": False, "note": "",
    }  # fmt: skip
    assert stored(rig) == SecretDocument(
        secret=NAME, owner=OwnerName("dana"), allow=(Allowed(host=HERE, place="header:Authorization", path="/mcp"),),
        rotate=Rotate(
            rotator="http", settings={"url": "http://127.0.0.1:9000/keys"}, every=Micros(30 * DAY),
            drain=Micros(MINUTE), on=(Cause.EXPOSURE,),
        ),
    )  # fmt: skip
    assert rig.apply(tree)[f"secret/{NAME}"]["change"] == "unchanged"
    tree.secrets[0]["owner"] = "lee"
    assert rig.apply(tree)[f"secret/{NAME}"]["change"] == "update"
    assert [(each["name"], each["change"]) for each in rig.entries("secret")] == [(NAME, "document")] * 2


@pytest.mark.parametrize(
    ("bend", "field", "word"),
    [
        ({"owner": "nobody"}, "owner", "there is no owner"),
        ({"keys": 1}, "keys", "unknown key"),
        ({"allow": [{}]}, "allow.0.host", "leave out allow"),
        ({"allow": [{"host": "a:0"}]}, "allow.0.host", "port"),
        ({"allow": [{"host": "http://a"}]}, "allow.0.host", "port is a number"),
        ({"allow": [{"place": "cookie"}]}, "allow.0.place", "header:NAME"),
        ({"allow": [{"path": "/a/../b"}]}, "allow.0.path", "a path begins"),
        ({"allow": [{"path": "/a%2f"}]}, "allow.0.path", "a path begins"),
        ({"rotate": {"every": "1d"}}, "rotate.aws", "exactly one"),
        ({"rotate": {"every": "1d", "aws": {}, "http": {}}}, "rotate.http", "exactly one"),
        ({"rotate": {"every": "1ms", "aws": {}}}, "rotate.every", "too short"),
        ({"rotate": {"on": ["age"], "aws": {}}}, "rotate.on.0", "exposure"),
        ({"rotate": {"aws": {}}, "dynamic": {"ttl": "1h", "postgres": {}}}, "dynamic", "either"),
        ({"dynamic": {"postgres": {}}}, "dynamic.ttl", "missing"),
        ({"rotate": {"postgres": {"password": "hunter22"}}}, "rotate.postgres.password", "no value"),
        ({"rotate": {"postgres": {"dsn": "postgres://a:hunter22@h/d"}}}, "rotate.postgres.dsn", "keep it as a secret"),
        ({"rotate": {"http": {"headers": [{"api_key": "x"}]}}}, "rotate.http.headers.0.api_key", "no value"),
        ({"rotate": {"aws": {"admin": NAME}}}, "rotate", "very secret"),
        ({"rotate": {"aws": {"admin": "No Name"}}}, "rotate.aws.admin", "must match"),
    ],
)
def test_what_is_wrong_with_a_document_is_located(
    rig: Rig, tree: Tree, bend: Mapping[str, Any], field: str, word: str
) -> None:
    tree.secrets = [{"secret": NAME, "owner": "dana", **bend}]
    with pytest.raises(TreeInvalid) as caught:
        rig.apply(tree)
    found = [(each.file, each.field, each.message) for each in caught.value.problems]
    assert [(each, at) for each, at, said in found if word in said] == [("secret.yaml", field)], found
    assert "hunter22" not in f"{caught.value.public} {caught.value.detail}"
    assert stored(rig) is None


def test_a_server_puts_a_secret_only_where_it_may_go(rig: Rig, bearing: Tree) -> None:
    bearing.secrets = [places({"host": "127.0.0.1:9102"})]
    with pytest.raises(TreeInvalid) as caught:
        rig.apply(bearing)
    assert [(each.file, each.field, each.message) for each in caught.value.problems if each.file == "server.yaml"] == [
        ("server.yaml", "credential", f"the secret {NAME} may not go to header:Authorization at {HERE}/mcp")
    ]
    bearing.secrets = [places({"host": HERE})]
    rows = rig.applier.apply(bearing.documents(), by=ADMIN)
    assert [(each["kind"], each["change"]) for each in rows if each["name"] == "payments"] == [("server", "create")]


def test_a_document_does_not_cut_off_a_server_that_is_registered(rig: Rig, bearing: Tree) -> None:
    rig.applier.apply(bearing.documents(), by=ADMIN)
    bearing.without = {"server", "boundary"}
    bearing.secrets = [places({"host": HERE, "path": "/other"})]
    with pytest.raises(TreeInvalid) as caught:
        rig.apply(bearing)
    assert [(each.file, each.field) for each in caught.value.problems] == [("secret.yaml", "allow")]
    assert "the server payments puts it in header:Authorization" in caught.value.public


@pytest.mark.parametrize("allow", [{"host": HERE}, {"host": HERE, "place": "rotation"}])
@pytest.mark.parametrize(
    "way",
    [
        {"rotate": {"http": {"admin": "root", "create": {"url": "https://evil.example/x"}}}},
        {
            "rotate": {
                "http": {"admin": "root", "revoke": {"url": f"http://{HERE}/x"}, "leftovers": {"url": "http://e.t"}}
            }
        },
        {"rotate": {"oauth_client": {"admin": "root", "secrets": "https://evil.example/x"}}},
        {"rotate": {"openbao": {"admin": "root", "url": "https://evil.example"}}},
        {"rotate": {"aws": {"admin": "root", "user": "u", "endpoint_url": "https://evil.example"}}},
        {"rotate": {"aws": {"admin": "root", "user": "u"}}},
        {"rotate": {"postgres": {"admin": "root", "host": "evil.example"}}},
        {"dynamic": {"ttl": "1h", "postgres": {"admin": "root", "host": "127.0.0.1", "port": 9102}}},
        {"dynamic": {"ttl": "1h", "openbao": {"admin": "root", "url": "https://evil.example"}}},
    ],
)
def test_nobody_signs_in_elsewhere_with_another_secret(
    rig: Rig, tree: Tree, allow: dict[str, str], way: dict[str, Any]
) -> None:
    """Whoever may say `admin: root` beside an address of their own would have that secret, alone."""
    tree.secrets = [{"secret": "root", "owner": "dana", "allow": [allow]}]
    rig.apply(tree)
    tree.secrets = [*tree.secrets, {"secret": NAME, "owner": "dana", **way}]
    with pytest.raises(TreeInvalid) as caught:
        rig.apply(tree)
    assert [each.field.rpartition(".")[2] for each in caught.value.problems] == ["admin"]
    assert stored(rig) is None


def test_the_log_says_that_a_secret_is_shown_elsewhere_than_before(rig: Rig, tree: Tree) -> None:
    """Attack: the first places of a secret are one person's word, and so they say their own."""
    tree.secrets = [
        {"secret": "root", "owner": "dana", "allow": [{"place": "rotation", "host": "db.test"}]},
        {"secret": NAME, "owner": "dana", "dynamic": {"ttl": "1h", "postgres": {"admin": "root", "host": "db.test"}}},
    ]
    rig.apply(tree)
    assert rig.entries("secret_to_another_host") == [], "it went nowhere before"
    unconfined = SecretDocument(secret=SecretName("root"), owner=OwnerName("dana"))
    rig.writer.change(lambda tx: SqlSecrets(tx.connection).put_document("root", text(unconfined)))
    tree.secrets[0]["allow"].append({"place": "rotation", "host": "evil.test"})
    way = {"http": {"admin": "root", "create": {"url": "https://evil.test/x"}}}
    tree.secrets.append({"secret": "mine", "owner": "dana", "rotate": way})
    assert "root goes to evil.test:443, before to db.test:5432" in rig.apply(tree)["secret/mine"]["note"]
    said = {
        "kind": "incident", "what": "secret_to_another_host", "document": "mine", "secret": "root",
        "host": "evil.test:443", "hosts_before": ["db.test:5432"],
    }  # fmt: skip
    assert rig.entries("secret_to_another_host") == [said]
    rig.apply(tree)
    assert rig.entries("secret_to_another_host") == [said], "once"


def test_a_secret_for_signing_in_must_be_one(rig: Rig, tree: Tree) -> None:
    other = {"secret": "payments-admin", "owner": "dana", "allow": [{"place": "header:Authorization"}]}
    settings = {"admin": "payments-admin", "revoke": {"url": "http://127.0.0.1:9000/keys/{id}"}}
    tree.secrets = [{"secret": NAME, "owner": "dana", "rotate": {"http": settings}}, other]
    with pytest.raises(TreeInvalid) as caught:
        rig.apply(tree)
    assert [each.field for each in caught.value.problems] == ["rotate.http.admin"]
    other["allow"] = [{"place": "rotation", "host": "127.0.0.1"}]
    assert rig.apply(tree)[f"secret/{NAME}"]["change"] == "create"


def test_going_further_takes_two_people(desk: Desk, bearing: Tree) -> None:
    ann, bob = desk.token("ann", "operator"), desk.token("bob", "operator")
    bearing.secrets = [places({"host": HERE})]
    assert not row(desk.apply(ann, bearing.documents()))["waits"]
    bearing.secrets = [places({"host": HERE}, {"host": "evil.test"})]
    foreseen = row(desk.apply(ann, bearing.documents(), dry_run=True))
    first = row(desk.apply(ann, bearing.documents()))
    assert foreseen == first
    assert (first["waits"], first["state"], first["change"]) == (True, "waiting_for_second_person", "update")
    assert "it may go to any place at evil.test" in first["note"]
    assert "another than ann" in first["note"]
    before = stored(desk.rig)
    assert before is not None
    assert before.allow == (Allowed(host=HERE),)
    assert row(desk.apply(ann, bearing.documents()))["waits"]
    assert not row(desk.apply(bob, bearing.documents()))["waits"]
    after = stored(desk.rig)
    assert after is not None
    assert len(after.allow) == 2
    said = [(e["change"], e["by"], e.get("first")) for e in desk.rig.entries("secrets")]
    assert said == [("allow_asked", "ann", None), ("allow_asked", "ann", None), ("allow_seconded", "bob", "ann")]
    bearing.secrets = [places({"host": HERE, "path": "/mcp"})]
    assert not row(desk.apply(ann, bearing.documents()))["waits"], "narrower is one person's"


def begun(rig: Rig, secret: str, setter: str | None, version: int = 1) -> None:
    """A secret of which calls use that version, and who gave it its first value."""

    def begin(tx: Transaction) -> None:
        SqlSecrets(tx.connection).put(secret, version=version, now=Instant(1))
        if setter is not None:
            SqlSecrets(tx.connection).first_set(secret, setter)

    rig.writer.change(begin)


def waiting(answer: tuple[int, dict[str, Any]]) -> list[str]:
    assert answer[0] == 200, answer
    return [each["name"] for each in answer[1]["changes"] if each["waits"]]


@pytest.mark.parametrize("place", [{"host": "evil.test"}, {"host": "evil.test", "place": "rotation"}])
@pytest.mark.parametrize(("setter", "version"), [("sam", 1), ("ann", 2), (None, 1)])
def test_the_first_place_to_sign_in_with_somebody_elses_secret_takes_two_people(
    desk: Desk, tree: Tree, place: dict[str, str], setter: str | None, version: int
) -> None:
    """Attack: who may apply confines another's secret to a host of their own, and then signs in there with it.

    So does who set its first value alone, which somebody replaced; and whose value it is may not be known.
    """
    ann, bob = desk.token("ann", "operator"), desk.token("bob", "operator")
    begun(desk.rig, "root", setter, version)
    tree.secrets = [{"secret": "root", "owner": "dana"}]
    assert waiting(desk.apply(ann, tree.documents())) == []
    tree.secrets = [{"secret": "root", "owner": "dana", "allow": [place]}]
    answer = desk.apply(ann, tree.documents())
    assert waiting(answer) == ["root"]
    assert "it may first be signed in with at evil.test" in row(answer)["note"]
    assert waiting(desk.apply(ann, tree.documents())) == ["root"]
    assert waiting(desk.apply(bob, tree.documents())) == []


def test_what_waits_confines_nothing_yet(desk: Desk, tree: Tree) -> None:
    """Attack: both at once; the list would wait, and what signs in would be held against it as if it stood there."""
    ann, bob = desk.token("ann", "operator"), desk.token("bob", "operator")
    begun(desk.rig, "root", "sam")
    way = {"http": {"admin": "root", "create": {"url": "https://evil.test/x"}}}
    mine = {"secret": NAME, "owner": "dana", "rotate": way}
    tree.secrets = [{"secret": "root", "owner": "dana", "allow": [{"host": "evil.test"}]}, mine]
    assert sorted(waiting(desk.apply(ann, tree.documents()))) == [NAME, "root"]
    assert stored(desk.rig) is None
    assert waiting(desk.apply(bob, tree.documents())) == []
    assert stored(desk.rig) is not None


@pytest.mark.parametrize(
    ("setter", "place"), [(None, "rotation"), ("ann", "rotation"), ("sam", "header:Authorization")]
)
def test_a_first_place_is_one_persons_word(desk: Desk, bearing: Tree, setter: str | None, place: str) -> None:
    """Nobody set it, who set it says so, or nobody signs in with it by that."""
    begun(desk.rig, NAME, setter, version=0 if setter is None else 1)
    bearing.secrets = [
        places({"host": HERE, "place": place}, {"host": HERE, "place": "header:Authorization", "path": "/mcp"})
    ]
    assert waiting(desk.apply(desk.token("ann", "operator"), bearing.documents())) == []


def test_forgetting_where_a_secret_may_go_takes_two_people(desk: Desk, bearing: Tree) -> None:
    ann, bob = desk.token("ann", "operator"), desk.token("bob", "operator")
    bearing.secrets = [places({"host": HERE})]
    desk.apply(ann, bearing.documents())
    bearing.secrets = []
    assert row(desk.apply(ann, bearing.documents(), prune=True))["waits"]
    assert stored(desk.rig) is not None
    assert not row(desk.apply(bob, bearing.documents(), prune=True))["waits"]
    assert stored(desk.rig) is None


def test_a_new_way_to_change_a_confined_secret_takes_two_people(desk: Desk, bearing: Tree) -> None:
    """Attack: the secret stays where it is, but who changes it is somebody else's, and gets the next value."""
    ann = desk.token("ann", "operator")
    bearing.secrets = [places({"host": HERE}) | {"rotate": {"http": {"url": "http://127.0.0.1:9000"}}}]
    desk.apply(ann, bearing.documents())
    bearing.secrets[0]["rotate"]["every"] = "7d"
    assert not row(desk.apply(ann, bearing.documents()))["waits"]
    bearing.secrets[0]["rotate"]["http"]["url"] = "http://evil.test"
    assert row(desk.apply(ann, bearing.documents()))["waits"]


@pytest.mark.parametrize(
    "way",
    [
        {"rotate": {"http": {"admin": "root", "create": {"url": "https://evil.test/x"}}}},
        {"dynamic": {"ttl": "1h", "postgres": {"admin": "root", "host": "evil.test"}}},
    ],
)
@pytest.mark.parametrize("known", [[], [{"secret": "root", "owner": "lee"}]], ids=["no document", "no places"])
def test_signing_in_with_a_secret_that_may_go_anywhere_takes_two_people(
    desk: Desk, tree: Tree, way: dict[str, Any], known: list[dict[str, Any]]
) -> None:
    """Attack: nothing says where `root` may go, so whoever names it beside an address of their own has it."""
    ann, bob = desk.token("ann", "operator"), desk.token("bob", "operator")
    tree.secrets = [*known, {"secret": NAME, "owner": "dana", **way}]

    def said(answer: tuple[int, dict[str, Any]]) -> dict[str, Any]:
        assert answer[0] == 200, answer
        found: dict[str, Any] = next(each for each in answer[1]["changes"] if each["name"] == NAME)
        return found

    first = said(desk.apply(ann, tree.documents()))
    assert (first["waits"], first["change"]) == (True, "create")
    assert "signs in with root, and nothing says where that may go" in first["note"]
    assert said(desk.apply(ann, tree.documents()))["waits"]
    assert stored(desk.rig) is None
    assert not said(desk.apply(bob, tree.documents()))["waits"]
    assert stored(desk.rig) is not None
    tree.secrets[-1]["owner"] = "lee"
    assert not said(desk.apply(ann, tree.documents()))["waits"], "it signed in so before"
    next(iter(way.values()))["ttl" if "dynamic" in way else "every"] = "2h"
    assert not said(desk.apply(ann, tree.documents()))["waits"], "the same settings"


@pytest.mark.parametrize("role", ["owner", "reviewer"])
def test_only_who_may_apply_documents_secrets(desk: Desk, tree: Tree, role: str) -> None:
    rita = desk.token("rita", role)
    desk.apply(desk.token("ann", "operator"), tree.documents())
    tree.secrets = [{"secret": NAME, "owner": "dana"}]
    assert desk.apply(rita, tree.documents())[0] == 403
    assert stored(desk.rig) is None


def test_an_owner_who_is_not_kept_answers_for_no_secret(rig: Rig, tree: Tree) -> None:
    tree.secrets = [{"secret": NAME, "owner": "mo"}]
    rig.apply(tree)
    tree.owners = [each for each in tree.owners if each["owner"] != "mo"]
    with pytest.raises(RemitError, match="there is no owner mo"):
        rig.apply(tree, prune=True)


def test_a_secret_is_to_be_changed_when_its_person_goes(rig: Rig, tree: Tree) -> None:
    """Whoever answered for it may have known it."""
    rotate = {"http": {"url": "http://127.0.0.1:9000"}}
    tree.secrets = [
        {"secret": "one", "owner": "dana", "rotate": {**rotate, "on": ["owner_change"]}},
        {"secret": "two", "owner": "dana", "rotate": {**rotate, "on": ["exposure"]}},
        {"secret": "three", "owner": "dana"},
        {"secret": "four", "owner": "lee", "rotate": rotate},
    ]
    rig.apply(tree)
    assert rig.asked == []
    rig.people.deactivate("dana", by=LEE)
    assert rig.asked == [("one", "owner_change", "lee")]
    rig.people.deactivate("dana", by=LEE)
    assert len(rig.asked) == 1
    tree.without = {"agent", "boundary"}
    tree.secrets[3]["owner"] = "mo"
    rig.apply(tree)
    assert rig.asked[1:] == [("four", "owner_change", "admin")], "and when another person answers for it"
    tree.secrets[3]["owner"] = "dana"
    with pytest.raises(RemitError, match="the owner dana is not active"):
        rig.apply(tree)
