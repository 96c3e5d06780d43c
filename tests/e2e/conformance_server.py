"""All that the MCP conformance suite calls, on one real server of the `mcp` SDK: `python conformance_server.py`.

Says {"port": N} once it listens. The names, texts and shapes are those that the suite's scenarios
ask for; both eras get the same, as far as the SDK serves it there.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.subscriptions import PromptsListChanged, ServerEvent, ToolsListChanged
from pydantic import BaseModel

Context = ServerRequestContext[Any, Any]
Called = types.CallToolResult | types.InputRequiredResult
Tool = Callable[[Context, types.CallToolRequestParams], Awaitable[Called]]
Prompted = types.GetPromptResult | types.InputRequiredResult
ResultT = TypeVar("ResultT", bound=BaseModel)

NAME = "conformance"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="
PAUSE = 0.01  # seconds between two notifications: each is to arrive by itself
BEGUN = 0.2  # seconds in which a stream has said what it begins with
STRING = {"type": "string"}

bus = InMemorySubscriptionBus()


def always(result: ResultT) -> Callable[[Context, Any], Awaitable[ResultT]]:
    """A handler that has one answer."""

    async def work(ctx: Context, params: Any) -> ResultT:
        return result

    return work


def record(*required: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


# What is said.


def text(words: str) -> types.TextContent:
    return types.TextContent(type="text", text=words)


def said(words: str, *, error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=[text(words)], is_error=error)


FAILED = said("This tool intentionally returns an error for testing", error=True)


def embedded(uri: str, mime_type: str, words: str) -> types.EmbeddedResource:
    contents = types.TextResourceContents(uri=uri, mime_type=mime_type, text=words)
    return types.EmbeddedResource(type="resource", resource=contents)


RED_DOT = types.ImageContent(type="image", data=PNG, mime_type="image/png")
CONTENT: dict[str, list[types.ContentBlock]] = {
    "test_simple_text": [text("This is a simple text response for testing.")],
    "test_image_content": [RED_DOT],
    "test_audio_content": [types.AudioContent(type="audio", data=WAV, mime_type="audio/wav")],
    "test_embedded_resource": [
        embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")
    ],
    "test_multiple_content_types": [
        text("Multiple content types test:"),
        RED_DOT,
        embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ],
}


# What is asked of the client.


def form(message: str, **properties: dict[str, Any]) -> types.ElicitRequest:
    schema = record(*properties, **properties)
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def question(words: str) -> types.CreateMessageRequest:
    messages = [types.SamplingMessage(role="user", content=text(words))]
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=messages, max_tokens=100))


WHO = form("What is your name?", name=STRING)
CONFIRM = form("Please confirm", ok={"type": "boolean"})
ROOTS = types.ListRootsRequest()
DEFAULTS = form(
    "Please look at these defaults",
    name={"type": "string", "default": "John Doe"},
    age={"type": "integer", "default": 30},
    score={"type": "number", "default": 95.5},
    status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    verified={"type": "boolean", "default": True},
)
OPTIONS = ["option1", "option2", "option3"]
TITLED = [{"const": f"value{n}", "title": f"Option {n}"} for n in (1, 2, 3)]
CHOICES = form(
    "Please choose",
    untitledSingle={"type": "string", "enum": OPTIONS},
    titledSingle={"type": "string", "oneOf": TITLED},
    legacyEnum={"type": "string", "enum": OPTIONS, "enumNames": ["One", "Two", "Three"]},
    untitledMulti={"type": "array", "items": {"type": "string", "enum": OPTIONS}},
    titledMulti={"type": "array", "items": {"anyOf": TITLED}},
)


async def answer(ctx: Context, request: types.ServerRequest, kind: type[ResultT]) -> ResultT:
    """Ask within the call's own stream (handshake era)."""
    return await ctx.session.send_request(
        request, kind, metadata=ServerMessageMetadata(related_request_id=ctx.request_id)
    )


def eliciting(request: types.ElicitRequest) -> Tool:
    """A tool that asks this while it runs (handshake era)."""

    async def work(ctx: Context, params: types.CallToolRequestParams) -> Called:
        found = await answer(ctx, request, types.ElicitResult)
        return said(f"Elicitation completed: action={found.action}, content={json.dumps(found.content)}")

    return work


def asking(state: str | None = None, **requests: types.InputRequest) -> Tool:
    """A tool that asks all of these in its result (modern era), and is done once all are answered."""

    async def work(ctx: Context, params: types.CallToolRequestParams) -> Called:
        if requests.keys() <= (params.input_responses or {}).keys() and params.request_state == state:
            return said(f"done: {state}")
        return types.InputRequiredResult(input_requests=requests, request_state=state)

    return work


# The tools that do more than to say or to ask one thing.


async def greet(ctx: Context, params: types.CallToolRequestParams) -> Called:
    return said(f"Hello, {(params.arguments or {}).get('name', 'you')}!")


async def break_down(ctx: Context, params: types.CallToolRequestParams) -> Called:
    raise MCPError(types.INTERNAL_ERROR, "This tool intentionally breaks down")


async def log(ctx: Context, params: types.CallToolRequestParams) -> Called:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.session.send_log_message("info", words, related_request_id=ctx.request_id)
        await asyncio.sleep(PAUSE)
    return said("logged")


async def progress(ctx: Context, params: types.CallToolRequestParams) -> Called:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100)
        await asyncio.sleep(PAUSE)
    return said("worked")


async def sample(ctx: Context, params: types.CallToolRequestParams) -> Called:
    found = await answer(ctx, question((params.arguments or {})["prompt"]), types.CreateMessageResult)
    return said(f"LLM response: {found.content}")


async def elicit(ctx: Context, params: types.CallToolRequestParams) -> Called:
    return await eliciting(form((params.arguments or {})["message"], username=STRING, email=STRING))(ctx, params)


async def reconnect(ctx: Context, params: types.CallToolRequestParams) -> Called:
    """Close the stream in the middle of the call: the client comes back for the result (SEP-1699)."""
    await asyncio.sleep(BEGUN)
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    await asyncio.sleep(PAUSE)
    return said("reconnected")


async def need_sampling(ctx: Context, params: types.CallToolRequestParams) -> Called:
    declared = ctx.session.client_capabilities
    if declared is None or declared.sampling is None:
        data: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "sampling is required", data)
    return said("sampling is there")


async def ask_what_is_declared(ctx: Context, params: types.CallToolRequestParams) -> Called:
    declared = ctx.session.client_capabilities or types.ClientCapabilities()
    asked: types.InputRequests = {}
    if declared.sampling is not None:
        asked["greeting"] = question("Generate a greeting")
    if declared.elicitation is not None:
        asked["user_name"] = WHO
    return types.InputRequiredResult(input_requests=asked) if asked else said("there is nobody to ask")


async def three_rounds(ctx: Context, params: types.CallToolRequestParams) -> Called:
    answers = params.input_responses or {}
    if params.request_state == "asked-step2" and "step2" in answers:
        return said("done")
    if params.request_state == "asked-step1" and "step1" in answers:
        color = form("Step 2: What is your favorite color?", color=STRING)
        return types.InputRequiredResult(input_requests={"step2": color}, request_state="asked-step2")
    name = form("Step 1: What is your name?", name=STRING)
    return types.InputRequiredResult(input_requests={"step1": name}, request_state="asked-step1")


def publishing(event: ServerEvent) -> Tool:
    """A tool that says a list has changed. It has not: a changed list would be another server for the next scenario."""

    async def work(ctx: Context, params: types.CallToolRequestParams) -> Called:
        await bus.publish(event)
        return said("published")

    return work


TOOLS: dict[str, Tool] = {name: always(types.CallToolResult(content=blocks)) for name, blocks in CONTENT.items()} | {
    "test_error_handling": always(FAILED),
    "test_tool_with_logging": log,
    "test_logging_tool": log,
    "test_tool_with_progress": progress,
    "test_sampling": sample,
    "test_elicitation": elicit,
    "test_elicitation_sep1034_defaults": eliciting(DEFAULTS),
    "test_elicitation_sep1330_enums": eliciting(CHOICES),
    "test_reconnection": reconnect,
    "test_missing_capability": need_sampling,
    "test_streaming_elicitation": asking(user_name=WHO),
    "test_trigger_tool_change": publishing(ToolsListChanged()),
    "test_trigger_prompt_change": publishing(PromptsListChanged()),
    "test_input_required_result_elicitation": asking(user_name=WHO),
    "test_input_required_result_sampling": asking(capital_question=question("What is the capital of France?")),
    "test_input_required_result_list_roots": asking(client_roots=ROOTS),
    "test_input_required_result_request_state": asking("state-ok", confirm=CONFIRM),
    "test_input_required_result_tampered_state": asking("state-ok", confirm=CONFIRM),
    "test_input_required_result_multiple_inputs": asking(
        "all-three", user_name=WHO, greeting=question("Generate a greeting"), client_roots=ROOTS
    ),
    "test_input_required_result_multi_round": three_rounds,
    "test_input_required_result_capabilities": ask_what_is_declared,
    "json_schema_2020_12_tool": always(said("it fits")),
    # The SDK has no tasks extension: these answer at once, without a task.
    "greet": greet,
    "slow_compute": always(said("42")),
    "confirm_delete": always(said("deleted")),
    "multi_input": always(said("all is known")),
    "test_tool_with_task": asking(confirm=CONFIRM),
    "failing_job": always(FAILED),
    "protocol_error_job": break_down,
    "test_header_parameter": always(said("header and body agree")),
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "test_sampling": record("prompt", prompt=STRING),
    "test_elicitation": record("message", message=STRING),
    "greet": record(name=STRING),
    "slow_compute": record(seconds={"type": "number"}, label=STRING),
    "confirm_delete": record(filename=STRING),
    "test_header_parameter": record("region", region={"type": "string", "x-mcp-header": "Region"}),
    "json_schema_2020_12_tool": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {"$anchor": "addressDef", **record(street=STRING, city=STRING)}},
        "properties": {
            "name": STRING,
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": STRING,
            "email": STRING,
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    },
}
TOOL_LIST = [
    types.Tool(name=name, description=f"Conformance: {name}", input_schema=SCHEMAS.get(name, record()))
    for name in TOOLS
]


async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> Called:
    if params.name not in TOOLS:
        raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
    return await TOOLS[params.name](ctx, params)


# Resources.

RESOURCES: dict[str, types.TextResourceContents | types.BlobResourceContents] = {
    found.uri: found
    for found in (
        types.TextResourceContents(
            uri="test://static-text", mime_type="text/plain", text="This is the content of the static text resource."
        ),
        types.BlobResourceContents(uri="test://static-binary", mime_type="image/png", blob=PNG),
        types.TextResourceContents(uri="test://watched-resource", mime_type="text/plain", text="Watch this."),
    )
}
TEMPLATE = ("test://template/", "{id}", "/data")
RESOURCE_LIST = [
    types.Resource(uri=uri, name=uri.removeprefix("test://"), description="Static", mime_type=found.mime_type)
    for uri, found in RESOURCES.items()
]
TEMPLATE_LIST = [
    types.ResourceTemplate(
        uri_template="".join(TEMPLATE), name="template", description="By id", mime_type="application/json"
    )
]


async def read_resource(ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    before, _, after = TEMPLATE
    if params.uri in RESOURCES:
        return types.ReadResourceResult(contents=[RESOURCES[params.uri]])
    if params.uri.startswith(before) and params.uri.endswith(after):
        found = params.uri.removeprefix(before).removesuffix(after)
        words = json.dumps({"id": found, "templateTest": True, "data": f"Data for ID: {found}"})
        contents = types.TextResourceContents(uri=params.uri, mime_type="application/json", text=words)
        return types.ReadResourceResult(contents=[contents])
    raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": params.uri})  # SEP-2164


# Prompts and completion.

PROMPTS: dict[str, list[str]] = {
    "test_simple_prompt": [],
    "test_prompt_with_arguments": ["arg1", "arg2"],
    "test_prompt_with_embedded_resource": ["resourceUri"],
    "test_prompt_with_image": [],
    "test_input_required_result_prompt": [],
}
PROMPT_LIST = [
    types.Prompt(
        name=name,
        description=f"Conformance: {name}",
        arguments=[types.PromptArgument(name=argument, required=True) for argument in arguments],
    )
    for name, arguments in PROMPTS.items()
]


def prompted(name: str, given: dict[str, str]) -> list[types.ContentBlock]:
    """What the user is made to say by one prompt."""
    if name == "test_prompt_with_arguments":
        return [text(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'")]
    if name == "test_prompt_with_embedded_resource":
        resource = embedded(given["resourceUri"], "text/plain", "Embedded resource content for testing.")
        return [resource, text("Please process the embedded resource above.")]
    if name == "test_prompt_with_image":
        return [RED_DOT, text("Please analyze the image above.")]
    return [text("This is a simple prompt for testing.")]


async def get_prompt(ctx: Context, params: types.GetPromptRequestParams) -> Prompted:
    if params.name not in PROMPTS:
        raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {params.name}")
    if params.name == "test_input_required_result_prompt" and "user_context" not in (params.input_responses or {}):
        asked = form("What context should the prompt use?", context=STRING)
        return types.InputRequiredResult(input_requests={"user_context": asked})
    messages = [
        types.PromptMessage(role="user", content=part) for part in prompted(params.name, params.arguments or {})
    ]
    return types.GetPromptResult(messages=messages)


async def complete(ctx: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    values = [word for word in ("test", "testing", "tested") if word.startswith(params.argument.value)]
    return types.CompleteResult(completion=types.Completion(values=values, total=len(values), has_more=False))


@dataclass
class Events(EventStore):
    """Every event of every stream, so that a client that lost one can have the rest."""

    stored: list[tuple[str, types.JSONRPCMessage | None]] = field(default_factory=list)

    async def store_event(self, stream_id: str, message: types.JSONRPCMessage | None) -> str:
        self.stored.append((stream_id, message))
        return str(len(self.stored) - 1)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        last = int(last_event_id)
        stream = self.stored[last][0]
        for number, (owner, message) in enumerate(self.stored[last + 1 :], last + 1):
            if owner == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


def server() -> Server[Any]:
    made: Server[Any] = Server(
        NAME,
        version="1.0",
        get_tool_input_schema=lambda name: SCHEMAS.get(name, record()),
        on_list_tools=always(types.ListToolsResult(tools=TOOL_LIST)),
        on_call_tool=call_tool,
        on_list_resources=always(types.ListResourcesResult(resources=RESOURCE_LIST)),
        on_list_resource_templates=always(types.ListResourceTemplatesResult(resource_templates=TEMPLATE_LIST)),
        on_read_resource=read_resource,
        on_subscribe_resource=always(types.EmptyResult()),
        on_unsubscribe_resource=always(types.EmptyResult()),
        on_subscriptions_listen=ListenHandler(bus),
        on_list_prompts=always(types.ListPromptsResult(prompts=PROMPT_LIST)),
        on_get_prompt=get_prompt,
        on_completion=complete,
        on_set_logging_level=always(types.EmptyResult()),
    )
    made.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=NAME))
    return made


if __name__ == "__main__":
    app = server().streamable_http_app(event_store=Events(), retry_interval=100)
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(json.dumps({"port": listener.getsockname()[1]}) + "\n")
    sys.stdout.flush()
    # h11: httptools leaves the white space after a header's value, which RFC 9110 section 5.5 has removed.
    uvicorn.Server(uvicorn.Config(app, access_log=False, http="h11")).run(sockets=[listener])
