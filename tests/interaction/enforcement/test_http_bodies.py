"""Bodies that are no JSON: bytes pass; what a server may take apart does not, where a boundary is about arguments."""

from __future__ import annotations

from typing import Any

import pytest
from gateway_world import rule  # type: ignore[import-not-found] # beside
from http_world import HttpWorld, run_http  # type: ignore[import-not-found] # beside
from msgspec.structs import replace
from tests.abuse.three_questions import Watch

from remit.access.model import Bound
from remit.enforcement.model import Admitted
from remit.policy import organisation
from remit.policy.model import Call

FORMS = [
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/mixed; boundary=x",
    "multipart/related; boundary=x", "text/x-json", "application/xml", "text/csv; a=multipart; boundary=x",
]  # fmt: skip


@pytest.mark.parametrize("media", FORMS)
@pytest.mark.parametrize("pattern", [False, True])
def test_a_body_that_is_not_read_holds_no_argument_that_a_boundary_bounds(media: str, pattern: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Some servers take a form's `name` before the path's; whatever of its kind is declared, it does not pass."""

    async def scenario(world: HttpWorld) -> None:
        kind = media.partition(";")[0]
        said = {"media": [kind.partition("/")[0] + "/*" if pattern else kind]}
        api = await world.api(operations={"PUT /files/{name}": said, "PUT /any/{name}": said})
        world.agent(
            "bot", rule("api:PUT /files/{name}", Bound(argument="name", prefix="a")), rule("api:PUT /any/{name}")
        )
        body = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nb\r\n--x--\r\n'
        watch = Watch(world, api.got)
        assert (await world.ask("PUT", "/http/api/any/a", body=body, media=media)).status == 200
        got = await world.ask("PUT", "/http/api/files/a", body=body, media=media)
        assert (got.status, got.json()["code"]) == (415, "unsupported_media_type")
        assert [each.target for each in api.got] == ["/any/a"]
        await watch.refused(world.ask("PUT", "/http/api/files/b", body=body, media=media), 403, "constraint_violated")
        assert await world.outcomes() == ["ok", "not_sent"]

    run_http(scenario)


def test_bytes_pass_beside_a_bound() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await world.api(operations={"PUT /files/{name}": {"media": ["text/csv", "image/*"]}})
        world.agent("bot", rule("api:PUT /files/{name}", Bound(argument="name", prefix="a")))
        for media in ("text/csv", "image/png"):
            assert (await world.ask("PUT", "/http/api/files/a", body=b"x", media=media)).status == 200
        assert [each.body for each in api.got] == [b"x", b"x"]

    run_http(scenario)


def test_a_second_type_behind_the_first_is_refused() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await world.api(operations={"PUT /files/{name}": {"media": ["text/csv"]}})
        world.agent("bot", rule("api:PUT /files/{name}"))
        for media in ("text/csv; x=y, multipart/form-data; boundary=z", "text/csv; x", 'text/csv; x="'):
            asked = world.ask("PUT", "/http/api/files/x", body=b"a", media=media)
            await Watch(world, api.got).refused(asked, 415, "unsupported_media_type", kind="refused", what=media)

    run_http(scenario)


def test_a_body_that_is_not_read_holds_no_argument_that_a_policy_forbids() -> None:
    """The same where no boundary bounds it, and the organisation's policies do: here, of one action."""

    async def scenario(world: HttpWorld) -> None:
        said = {"media": ["application/x-www-form-urlencoded"]}
        api = await world.api(operations={"PUT /files/{name}": said, "PUT /any/{name}": said})
        world.agent("bot", rule("api:PUT /files/{name}"), rule("api:PUT /any/{name}"))
        text = (
            'forbid (principal, action == Remit::Action::"api:PUT /files/{name}", resource)'
            ' when { context.input.name == "b" };'
        )
        view = world.facts.view()
        object.__setattr__(view, "organisation", organisation.read({"p.cedar": text}, world.facts._engine, serial=9))
        media = "application/x-www-form-urlencoded"
        assert (await world.ask("PUT", "/http/api/any/a", body=b"name=b", media=media)).status == 200
        got = await world.ask("PUT", "/http/api/files/a", body=b"name=b", media=media)
        assert (got.status, got.json()["code"]) == (415, "unsupported_media_type")
        got = await world.ask("PUT", "/http/api/files/b", body=b"x=y", media=media)
        assert (got.status, got.json()["code"]) == (403, "forbidden_by_policy")
        assert [each.target for each in api.got] == ["/any/a"]

    run_http(scenario)


def test_json_is_in_utf_8_and_names_no_other_charset_beside() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await world.api(operations={"POST /pay": {}})
        world.agent("bot", rule("api:POST /pay"))
        for said in ("=utf-8; charset=utf-7", "=utf-16", " =utf-16", "*=utf-16''x", '="utf-8", text/plain'):
            asked = world.ask("POST", "/http/api/pay", body=b"{}", media=f"application/json; charset{said}")
            await Watch(world, api.got).refused(asked, 415, "unsupported_media_type", kind="refused", what=said)
        for said in ("", ";", "; charset=UTF-8", '; a=b; charset="utf8"'):
            assert (await world.ask("POST", "/http/api/pay", body=b"{}", media=f"application/json{said}")).status == 200

    run_http(scenario)


def test_a_body_that_is_not_read_holds_no_argument_that_nobody_saw_who_approved_the_call() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await world.api(operations={"PUT /files/{name}": {"media": ["application/xml", "image/png"]}})
        world.agent("bot", rule("api:PUT /files/{name}"))
        admit = world.pipeline.admit

        async def approved(call: Call, **more: Any) -> Admitted:
            admitted: Admitted = await admit(call, **more)
            return replace(admitted, answer=replace(admitted.answer, approval="apr_1"))

        world.gateway._pipeline = Approving(world.pipeline, approved)
        got = await world.ask("PUT", "/http/api/files/a", body=b"<name>b</name>", media="application/xml")
        assert (got.status, got.json()["code"]) == (415, "unsupported_media_type")
        assert (await world.ask("PUT", "/http/api/files/a", body=b"x", media="image/png")).status == 200
        assert [each.body for each in api.got] == [b"x"]

    run_http(scenario)


class Approving:
    """A pipeline each of whose decisions stands on a person's yes."""

    def __init__(self, pipeline: Any, admit: Any) -> None:
        self._pipeline, self.admit = pipeline, admit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/pay", b'{"to":"alice","To":"mallory"}'), ("GET", "/pay?to=alice&to[]=mallory", None),
        ("GET", "/pay?to=alice&%20to=mallory", None), ("POST", "/pay?to=alice", b'{"TO":"mallory"}'),
    ],
)  # fmt: skip
def test_where_any_name_passes_none_passes_beside_another_that_it_may_stand_for(
    method: str, target: str, body: bytes | None
) -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await world.api(
            operations={f"{each} /pay": {"arguments": {"type": "object"}} for each in ("GET", "POST")}
        )
        bound = Bound(argument="to", in_=("alice",))
        world.agent("bot", rule("api:POST /pay", bound), rule("api:GET /pay", bound))
        more: dict[str, Any] = {} if body is None else {"body": body, "media": "application/json"}
        got = await world.ask(method, f"/http/api{target}", **more)
        assert (got.status, got.json()["code"]) == (400, "malformed")
        assert api.got == []
        assert (await world.ask("GET", "/http/api/pay?to=alice&other=x")).status == 200

    run_http(scenario)


def test_of_a_boundary_that_ended_meanwhile_nobody_knows_what_it_was_about() -> None:
    async def scenario(world: HttpWorld) -> None:
        api = await world.api(operations={"PUT /files/{name}": {"media": ["image/png"]}})
        world.agent("bot", rule("api:PUT /files/{name}"))
        assert (await world.ask("PUT", "/http/api/files/a", body=b"x", media="image/png")).status == 200
        world.gateway._grants = lambda _caller, _action: ()
        got = await world.ask("PUT", "/http/api/files/a", body=b"x", media="image/png")
        assert (got.status, len(api.got)) == (415, 1)

    run_http(scenario)
