"""Bodies that are no JSON: bytes pass; what a server may take apart does not, where a boundary is about arguments."""

from __future__ import annotations

import pytest
from gateway_world import rule  # type: ignore[import-not-found] # beside
from http_world import HttpWorld, run_http  # type: ignore[import-not-found] # beside
from tests.abuse.three_questions import Watch

from remit.access.model import Bound

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
