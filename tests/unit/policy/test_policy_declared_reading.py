"""What an organisation declares, read from its files; and what is refused, each with its file and line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.errors import ConfigInvalid
from remit.policy.cedar import CedarEngine
from remit.policy.declared import reading
from remit.policy.declared.model import Declaration, Declared, Part
from remit.policy.declared.reader import Reader
from remit.policy.declared.schema_text import SchemaUnread, read

ENGINE = CedarEngine()
SCHEMA = """namespace Todo {
  type Mail = String;
  entity Role in [Role];
  entity User in [Role] = { email: Mail, age?: Long, manager?: User, score?: decimal, since?: datetime,
    from?: ipaddr, tags?: Set<String>, office?: { city: String, floor?: Long } } tags String;
  entity Item = { ownerID?: String };
  entity Kind enum ["open", "done"];
  action all;
  action see, "take away" in [all] appliesTo { principal: User, resource: [User, Item] };
  action mark in [all] appliesTo { principal: User, resource: Item, context: { kind: Kind, action?: { soft: Bool } } };
}
"""
USER: dict[str, Any] = {"uid": {"type": "Todo::User", "id": "ann"}, "attrs": {"email": "a@x"}}


def files(schema: str = SCHEMA, entities: Any = None, toml: str | None = None) -> dict[str, Declaration]:
    found = {"policies/todo.cedarschema": Declaration(Part.SCHEMA, schema)}
    if entities is not None:
        text = entities if isinstance(entities, str) else json.dumps(entities)
        found["entities/people.json"] = Declaration(Part.ENTITIES, text)
    if toml is not None:
        found["remit.toml"] = Declaration(Part.AUTHZEN, toml)
    return found


def declared(**how: Any) -> Declared:
    found = reading.read(files(**how), ENGINE)
    reading.check_entities(found, ENGINE)
    return found


def user(**changed: Any) -> dict[str, Any]:
    return {**USER, **changed}


def test_all_of_it_is_read() -> None:
    boss = {
        "uid": {"__entity": {"type": "Todo::User", "id": "bo"}},
        "attrs": {
            "email": "b@x",
            "age": 7,
            "score": "1.50",
            "since": {"__extn": {"fn": "datetime", "arg": "2024-01-01"}},
            "from": "10.0.0.1",
            "tags": ["x"],
            "office": {"city": "Berlin"},
        },
        "parents": [{"type": "Todo::Role", "id": "boss"}],
        "tags": {"team": "blue"},
    }
    ann = user(attrs={"email": "a@x", "manager": {"type": "Todo::User", "id": "bo"}, "score": 2})
    found = declared(entities=[boss, ann], toml='[authzen.types]\nuser = "Todo::User"\nitem = "Todo::Item"\n')
    assert found.types["user"] == found.types["Todo::User"] == "Todo::User"
    assert sorted(name for _, name, _ in found.actions) == ["mark", "see", "see", "take away", "take away"]
    assert found.actions["Todo::User", "mark", "Todo::Item"].groups == (("Todo::Action", "all"),)
    entity = found.entity(("Todo::User", "bo"))
    assert entity is not None
    assert (entity.parents, entity.tags) == ((("Todo::Role", "boss"),), {"team": "blue"})
    assert found.ids("user") == ("ann", "bo")
    assert found.ids("Todo::Kind") == ["done", "open"]


def test_what_has_no_schema_declares_nothing() -> None:
    assert reading.read({}, ENGINE).types == {}


BAD_SCHEMAS = [
    ("namespace Remit { entity Agent; }", "1: .*own"),
    ("\nnamespace  Remit::More { entity X; }", "2: .*own"),
    ("namespace A {\n  entity X = { a: Remit::Agent };\n}", "2: .*own"),
    (
        "namespace A {\n  entity X;\n  action go appliesTo { principal: X, resource: Remit // c\n  ::Server };\n}",
        "3: .*own",
    ),
    ("namespace A { entity X = { a: Nothing }; }", " .*Nothing"),
    ("entity X = {", " "),
]


@pytest.mark.requirement("authzen:declared")
@pytest.mark.parametrize(("text", "said"), BAD_SCHEMAS)
def test_a_schema_that_speaks_of_remit_or_does_not_parse_is_refused(text: str, said: str) -> None:
    """An agent of an organisation's own making would be allowed what no boundary names."""
    with pytest.raises(ConfigInvalid, match=rf"policies/todo.cedarschema:{said}"):
        declared(schema=text)


def test_a_name_that_merely_sounds_like_it_is_fine() -> None:
    text = """namespace MyRemit {
      entity Remit; // namespace Remit
      action "Remit::x" appliesTo { principal: Remit, resource: Remit };
    }"""
    assert list(declared(schema=text).entity_types) == ["MyRemit::Remit"]


BAD_ENTITIES: list[tuple[Any, str | None]] = [
    ([user(uid={"type": "Remit::Agent", "id": "x"})], "1: Remit::Agent is Remit's own"),
    ([user(parents=[{"type": "Remit::Owner", "id": "x"}])], "1: Remit::Owner is Remit's own"),
    (
        [user(attrs={"email": "a", "manager": {"type": "Remit::Agent", "id": "x"}})],
        "1: /attrs/manager is no Todo::User",
    ),
    ([user(attrs={})], "1: /attrs/email is missing"),
    ([user(attrs={"email": 7})], "1: /attrs/email is no String"),
    ([user(attrs={"email": "a", "age": 1.5})], "1: /attrs/age is no Long"),
    ([user(attrs={"email": "a", "age": True})], "1: /attrs/age is no Long"),
    ([user(attrs={"email": "a", "age": 2**63})], "1: /attrs/age is no Long"),
    ([user(attrs={"email": "a", "score": 1.23456})], "1: /attrs/score is no decimal"),
    ([user(attrs={"email": "a", "phone": "1"})], "1: the schema declares no attribute 'phone'"),
    ([user(attrs={"email": "a", "office": {}})], "1: /attrs/office/city is missing"),
    ([user(parents=[{"type": "Todo::Item", "id": "x"}])], "1: the schema says of no Todo::User"),
    ([user(uid={"type": "Todo::Group", "id": "x"})], "1: the schema declares no entity type Todo::Group"),
    ([user(uid={"type": "Todo::Action", "id": "see"})], "1: the schema declares no entity type Todo::Action"),
    ([{"uid": {"type": "Todo::Kind", "id": "lost"}}], "1: Todo::Kind is enumerated"),
    ([user(colour="red")], "1: an entity is an object"),
    ([user(tags={"team": 1})], "1: /tags/team is no String"),
    ([user(attrs={"email": "a", "manager": {"type": "Todo::User", "id": "gone"}})], '1: Todo::User::"gone" is named'),
    ([user(attrs={"email": "a", "from": "nowhere"})], None),
    (USER, "1: a list of entities is expected"),
    ("[\n  1\n]", "2: an entity is an object"),
    ('[\n {"uid": {"type": "Todo::Item", "id": "1"}},\n {"uid": 1, "uid": 2}]', "3: a JSON object has a duplicate key"),
    ('[\n {"uid": {"type": "Todo::Item", "id": "1"}}\n\n x]', "4: not valid JSON"),
    ("[] 1", "1: there is something after the list"),
    ("", "1: a list of entities is expected"),
    ('[\n{"uid": {"type": "Todo::Item", "id": "1"}},\n{"uid": {"type": "Todo::Item", "id": "1"}}]', "3: .* as well"),
]


@pytest.mark.requirement("authzen:declared")
@pytest.mark.parametrize(("entities", "said"), BAD_ENTITIES)
def test_entities_that_do_not_fit_are_refused_with_their_line(entities: Any, said: str | None) -> None:
    with pytest.raises(ConfigInvalid, match="entities" if said is None else f"entities/people.json:{said}"):
        declared(entities=entities)


BAD_MAPS = [
    ('[authzen.types]\nagent = "Todo::User"\n', "2: agent is Remit's own type"),
    ('[authzen.types]\nserver = "Todo::Item"\n', "2: server is Remit's own type"),
    ('[authzen.types]\nuser = "Remit::Agent"\n', "2: Remit::Agent is Remit's own"),
    ('[authzen.types]\n\nuser = "Todo::Users"\n', "3: the schema declares no entity type"),
    ("[authzen.types]\nuser = 1\n", "2: the schema declares no entity type"),
    ('[authzen.actions]\nlook = "see"\n', "2: the schema declares no action"),
    ("[authzen]\nsubjects = {}\n", "2: known here are"),
    ("[server]\nport = 1\n", "1: known here are"),
    ("authzen = 1", "1: known here are"),
    ("[authzen]\ntypes = 1\n", "2: authzen.types is a table"),
    ("[authzen.types]\nuser = \n", "2: not valid TOML"),
]


@pytest.mark.requirement("authzen:declared")
@pytest.mark.parametrize(("text", "said"), BAD_MAPS)
def test_a_map_that_names_what_is_not_declared_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ConfigInvalid, match=f"remit.toml:{said}"):
        declared(toml=text)


def test_a_map_names_actions_too_and_settles_which_of_two_is_meant() -> None:
    twice = SCHEMA + "\nnamespace More { action see appliesTo { principal: Todo::User, resource: Todo::Item }; }"
    with pytest.raises(ConfigInvalid, match="two actions are called see for Todo::User and Todo::Item") as caught:
        declared(schema=twice)
    assert "[authzen.actions] see =" in caught.value.try_
    found = declared(
        schema=twice, toml="[authzen.actions]\nsee = 'More::Action::\"see\"'\n'GET /' = 'Todo::Action::\"see\"'\n"
    )
    assert found.actions["Todo::User", "see", "Todo::Item"].uid == ("More::Action", "see")
    assert found.actions["Todo::User", "GET /", "Todo::User"].uid == ("Todo::Action", "see")


def test_two_maps_are_one_too_many() -> None:
    both = files() | {name: Declaration(Part.AUTHZEN, "") for name in ("a.toml", "b.toml")}
    with pytest.raises(ConfigInvalid, match=r"b.toml: a.toml says what names mean"):
        reading.read(both, ENGINE)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def record(attributes: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def made(members: dict[str, Any]) -> dict[str, Any]:
        return {"type": "Record", "attributes": members}

    return st.builds(made, st.dictionaries(TEXTS, attributes, max_size=3))


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    sets = st.builds(lambda each: {"type": "Set", "element": each}, inner)
    return sets | record(st.builds(lambda each, must: {**each, "required": must}, inner, st.booleans()))


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    """Schemas in Cedar's JSON."""
    kinds = draw(st.lists(st.sampled_from(["A", "B1", "_c"]), min_size=1, unique=True))
    names = ("String", "Long", "decimal", *kinds)
    types = st.recursive(st.sampled_from([{"type": "EntityOrCommon", "name": name} for name in names]), nested)
    entities = {}
    for kind in kinds:
        parents = draw(st.lists(st.sampled_from(kinds), unique=True))
        entities[kind] = {"shape": draw(record(types)), "memberOfTypes": parents}
    actions = {
        name: {"appliesTo": {"principalTypes": [kinds[0]], "resourceTypes": kinds, "context": draw(record(types))}}
        for name in draw(st.lists(TEXTS, max_size=3, unique=True))
    }
    return {draw(st.sampled_from(["", "N", "N::M"])): {"entityTypes": entities, "actions": actions}}


@given(schemas())
def test_what_cedar_prints_is_read_as_cedar_meant_it(schema: dict[str, Any]) -> None:
    printed = ENGINE.spelling(schema)
    assert ENGINE.spelling(read(printed)) == printed


@pytest.mark.parametrize(
    "text", ["entity", "entity A", "action x appliesTo { owner: A };", '"x"', "type A = ;", 'action "\\q";']
)
def test_what_is_not_known_is_not_guessed(text: str) -> None:
    with pytest.raises(SchemaUnread):
        read(text)


class Counting(CedarEngine):
    """Counts what it is asked to parse."""

    def __init__(self) -> None:
        self.entity_sets = 0

    def entities(self, entities: list[dict[str, Any]], schema: Any) -> Any:
        self.entity_sets += 1
        return super().entities(entities, schema)


def test_what_was_validated_is_not_read_again_for_the_view() -> None:
    engine = Counting()
    reader = Reader(engine)
    found = reader.check(files(entities=[USER]))
    assert reader.read(files(entities=[USER])) is found
    assert reader.check(files(entities=[USER])) is found
    assert engine.entity_sets == 1
    other = reader.check(files(entities=[user(attrs={"email": "b@x"})]))
    assert other.serial != found.serial
    assert engine.entity_sets == 2
    with pytest.raises(ConfigInvalid):
        reader.check(files(entities="torn"))
    assert reader.read(files(entities=[USER])) is found


def test_only_a_file_that_changed_is_parsed_again() -> None:
    parsed = reading.Parsed()
    two = files(entities=[USER]) | {"entities/z.json": Declaration(Part.ENTITIES, "[]")}
    first = reading.read(two, ENGINE, parsed=parsed)
    two["entities/z.json"] = Declaration(Part.ENTITIES, json.dumps([{"uid": {"type": "Todo::Item", "id": "1"}}]))
    second = reading.read(two, ENGINE, parsed=parsed)
    assert second.entity(("Todo::User", "ann")) is first.entity(("Todo::User", "ann"))
    assert second.entity(("Todo::Item", "1")) is not None
    optional = files(SCHEMA.replace("email: Mail", "email?: Mail"), entities=[USER])
    third = reading.read(optional, ENGINE, parsed=parsed)
    assert third.entity(("Todo::User", "ann")) is not first.entity(("Todo::User", "ann"))
    del two["entities/people.json"]
    assert reading.read(two, ENGINE, parsed=parsed).entity(("Todo::User", "ann")) is None
