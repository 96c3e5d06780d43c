"""Methods beside tools: what a boundary grants passes inside its bounds, and nothing else does; both eras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gateway_world import World, rule  # type: ignore[import-not-found] # beside
from mcp.shared.exceptions import MCPError
from tests.e2e import conformance_server

from remit.access.model import Bound

# The SDK says so of what the modern revision has deprecated (SEP-2577), and is spoken all the same.
pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

Play = Callable[[Any], None]
MODES = ["legacy", "2026-07-28"]
STATIC = "test://static-"
READ = rule("everything:resources/read", Bound(argument="uri", prefix=STATIC))
SIMPLE = rule("everything:prompts/get", Bound(argument="name", in_=("test_simple_prompt",)))


async def ready(world: World, *rules: Any) -> None:
    await world.server("everything", conformance_server.server().streamable_http_app(), credential=True)
    world.agent("bot", rule("everything/test_simple_text"), *rules)
    world.seen.clear()


def reached(world: World) -> list[str]:
    return [seen.json()["method"] for seen in world.seen if seen.body and "method" in seen.json()]


@pytest.mark.parametrize("mode", MODES)
def test_resources_are_listed_and_read_inside_the_bounds(play: Play, mode: str) -> None:
    async def scenario(world: World) -> None:
        await ready(world, rule("everything:resources/list"), rule("everything:resources/templates/list"), READ)
        async with world.client("everything", mode) as client:
            listed = await client.list_resources()
            assert [str(each.uri) for each in listed.resources] == [
                "remit://mandate", "test://static-text", "test://static-binary",
            ]  # fmt: skip
            assert (await client.list_resource_templates()).resource_templates == []
            found = await client.read_resource("test://static-text")
            assert found.contents[0].text == "This is the content of the static text resource."
            with pytest.raises(MCPError) as hidden:
                await client.read_resource("test://watched-resource")
            with pytest.raises(MCPError) as missing:
                await client.read_resource("test://nothing")
        assert (hidden.value.code, hidden.value.data) == (-32602, {"uri": "test://watched-resource"})
        assert (missing.value.code, missing.value.data) == (-32602, {"uri": "test://nothing"})
        assert reached(world).count("resources/read") == 1
        decided = [(e["decision"], e.get("code")) for e in world.entries("decision") if "resources/read" in e["action"]]
        assert decided == [("allow", None), ("deny", "not_visible"), ("deny", "not_visible")]
        assert set(await world.outcomes()) == {"ok"}

    play(scenario)


@pytest.mark.parametrize("mode", MODES)
def test_a_uri_that_steps_out_of_its_prefix_is_not_there(play: Play, mode: str) -> None:
    async def scenario(world: World) -> None:
        await ready(world, READ)
        async with world.client("everything", mode) as client:
            for steps in ("..", "%2e%2e", ".%2E", "..\\", "%252e."):
                with pytest.raises(MCPError, match="Resource not found"):
                    await client.read_resource(f"{STATIC}text/{steps}/watched-resource")
        assert "resources/read" not in reached(world)

    play(scenario)


def test_a_list_is_private_and_never_kept(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world, rule("everything:prompts/list"), SIMPLE)
        answer = (await world.modern("everything", "prompts/list")).json()["result"]
        assert [each["name"] for each in answer["prompts"]] == ["test_simple_prompt"]
        assert (answer["ttlMs"], answer["cacheScope"], "nextCursor" in answer) == (0, "private", False)
        refused = await world.modern("everything", "prompts/list", {"cursor": "x"})
        assert refused.json()["error"]["code"] == -32602

    play(scenario)


@pytest.mark.parametrize("mode", MODES)
def test_prompts_and_completion(play: Play, mode: str) -> None:
    async def scenario(world: World) -> None:
        complete = rule("everything:completion/complete", Bound(argument="name", prefix="test_prompt_with"))
        await ready(world, SIMPLE, complete)
        async with world.client("everything", mode) as client:
            found = await client.get_prompt("test_simple_prompt")
            assert found.messages[0].content.text == "This is a simple prompt for testing."
            for name in ("test_prompt_with_image", "there_is_none"):
                with pytest.raises(MCPError, match=f"Unknown prompt: {name}"):
                    await client.get_prompt(name)
            with pytest.raises(MCPError) as ungranted:
                await client.list_prompts()
            ref = {"type": "ref/prompt", "name": "test_prompt_with_arguments"}
            done = await client.complete(_ref(ref), {"name": "arg1", "value": "test"})
            assert done.completion.values[0] == "test"
            with pytest.raises(MCPError) as outside:
                await client.complete(_ref(ref | {"name": "test_simple_prompt"}), {"name": "arg1", "value": "test"})
        assert (ungranted.value.code, ungranted.value.data["code"]) == (-32010, "not_granted")
        assert (outside.value.code, outside.value.data["code"]) == (-32010, "constraint_violated")
        assert reached(world).count("prompts/get") == reached(world).count("completion/complete") == 1

    play(scenario)


def _ref(said: dict[str, Any]) -> Any:
    import mcp_types  # noqa: PLC0415 - takes a second

    return mcp_types.PromptReference(**said)


@pytest.mark.requirement("gateway:every-method")
@pytest.mark.parametrize(
    ("method", "params", "eras"),
    [
        ("resources/templates/list", {}, "both"),
        ("resources/read", {"uri": "test://static-text"}, "both"),
        ("prompts/list", {}, "both"),
        ("prompts/get", {"name": "test_simple_prompt"}, "both"),
        ("completion/complete",
         {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "a", "value": "b"}}, "both"),
        ("logging/setLevel", {"level": "info"}, "legacy"),
        ("resources/subscribe", {"uri": "test://static-text"}, "legacy"),
        ("resources/unsubscribe", {"uri": "test://static-text"}, "legacy"),
        ("tasks/get", {"taskId": "t"}, "both"),
        ("tasks/cancel", {"taskId": "t"}, "both"),
        ("tasks/list", {}, "legacy"),
        ("tasks/result", {"taskId": "t"}, "legacy"),
        ("tasks/update", {"taskId": "t", "inputResponses": {}}, "modern"),
        ("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, "modern"),
    ],
)  # fmt: skip
def test_with_a_grant_of_tools_alone_every_other_method_is_denied(
    play: Play, method: str, params: dict[str, Any], eras: str
) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        answers = []
        if eras != "modern":
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            answers.append(await world.post("everything", body))
        if eras != "legacy":
            about = params.get("uri") or params.get("taskId") or params.get("name")
            answers.append(await world.modern("everything", method, params, **({"mcp-name": about} if about else {})))
        for answer in answers:
            assert answer.json()["error"]["data"]["code"] == "not_granted", answer.text
            assert answer.json()["error"]["data"]["action"] == f"everything:{method}"
        assert world.seen == []
        denied = [e["code"] for e in world.entries("decision")]
        assert denied == ["not_granted"] * len(answers)

    play(scenario)


def test_what_is_granted_is_offered_and_nothing_else(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world)
        offered = (await world.modern("everything", "server/discover")).json()["result"]["capabilities"]
        assert offered.keys() == {"tools", "resources"}
        assert offered["resources"] == {}
        world.agent("bot", SIMPLE, rule("everything:completion/complete"))
        offered = (await world.modern("everything", "server/discover")).json()["result"]["capabilities"]
        assert offered.keys() == {"tools", "resources", "prompts", "completions"}

    play(scenario)


def test_a_use_of_a_method_counts_for_its_entitlement(play: Play) -> None:
    async def scenario(world: World) -> None:
        await ready(world, READ)
        uri = "test://static-text"
        for _ in range(2):
            answer = await world.modern("everything", "resources/read", {"uri": uri}, **{"mcp-name": uri})
            assert "result" in answer.json(), answer.text
        assert (answer.json()["result"]["ttlMs"], answer.json()["result"]["cacheScope"]) == (0, "private")
        await world.pipeline.drain()
        known = world.facts.view().activations
        (found,) = [each for each in known.of("bot") if each.key.action == "everything:resources/read"]
        assert found.usage.days == 1

    play(scenario)
