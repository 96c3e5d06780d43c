"""Whatever key stands wherever in a client's configuration: nothing of it is shown, and what is words is."""

from __future__ import annotations

import base64
import random
import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remit.catalog.command import secretish
from remit.runner.configured.plain_words import MASK, in_host, in_path, plain, word
from remit.runner.configured.showing import in_url, in_words, shown

ALNUM = string.ascii_letters + string.digits
SEEN = 6  # characters of a key in a row that would be too many
SEEN_OF_PARTS = 12  # of one with dashes or slashes in it, whose parts may by chance be words


def of(alphabet: str, size: int) -> st.SearchStrategy[str]:
    """Keys as issuers draw them, evenly: what hypothesis would make of them (`aaaa`) is none."""
    return st.integers(0, 2**64).map(lambda seed: "".join(random.Random(seed).choices(alphabet, k=size)))


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


DIGITS, LOWER = "0123456789", string.ascii_lowercase
HEX = st.sampled_from([32, 40, 64]).flatmap(lambda size: of("0123456789abcdef", size))
UUID = of("0123456789abcdef", 32).map(lambda t: "-".join([t[:8], t[8:12], t[12:16], t[16:20], t[20:]]))
IN_HOSTS = st.one_of(HEX, UUID, of(LOWER + DIGITS, 24), of(ALNUM, 36).map("ghp_{}".format))
EVERYWHERE = st.one_of(
    IN_HOSTS,
    of(ALNUM, 32).map("sk-{}".format),
    of(ALNUM + "-_", 80).map("sk-ant-api03-{}".format),
    of(DIGITS, 24).flatmap(lambda t: of(ALNUM, 24).map(f"xoxb-{t[:12]}-{t[12:]}-{{}}".format)),
    of(LOWER.upper() + DIGITS, 16).map("AKIA{}".format),
    of(ALNUM, 81).map(lambda t: f"github_pat_{t[:22]}_{t[22:]}"),
    of(ALNUM, 30).map(lambda t: f"eyJ{encoded('hbGciOi' + t)}.eyJ{encoded(t)}.{encoded(t * 2)}"),
    of(ALNUM + "+/", 43).map("{}=".format),
    of(ALNUM, 33).flatmap(lambda t: st.sampled_from(":.+").map(lambda by: by.join([t[:10], t[10:20], t[20:]]))),
)


def nothing_of(key: str, told: str) -> bool:
    """Whether no part of a key is shown that would help to guess it."""
    body = re.sub(r"^(?:sk-ant-api03-|github_pat_|xoxb-)", "", key)
    seen = SEEN if body.isalnum() else SEEN_OF_PARTS
    return not any(body[at : at + seen] in told for at in range(len(body) - seen + 1))


URLS = [
    "https://h.test/mcp/{}", "https://h.test/{}/sse?x=1", "https://h.test/mcp?{}", "https://h.test/mcp?token={}",
    "https://h.test/mcp?k=1&{}=2", "https://h.test/mcp#{}", "https://u:{}@h.test/mcp", "https://{}@h.test/mcp",
    "postgres://u:{}@h.test:5432/d", "https://h.test/a,https://u:{}@g.test/",
]  # fmt: skip
WORDS: list[list[str]] = [
    ["--url={u}"], ["--url", "{u}"], ["x", "{k}"], ["--token={k}"], ["--whatever={k}"], ["K={k}"],
    ["-H", "X-Api-Key: {k}"],
    ["-u", "dana:{k}"], ["dana:{k}@h.test"], ["-c", "npx server --url={u} && true"], ["-c", "curl '{u}' | sh"],
    ["-c", "API_KEY={k} exec server"], ["-c", "export A_TOKEN='{k}'; server"], ["-c", 'server --token "{k}" -v'],
    ["-c", "curl -H 'Authorization: Bearer {k}' https://h.test/mcp"], ["-c", "server {k}"], ["jdbc:{u}"],
]  # fmt: skip


@given(EVERYWHERE, st.sampled_from(URLS))
def test_no_url_shows_a_key(key: str, url: str) -> None:
    assert nothing_of(key, shown((), url.format(key), secretish))


@given(IN_HOSTS, st.sampled_from(["https://{}.h.test/mcp", "https://{}/mcp", "https://mcp-{}.h.test:8443"]))
def test_no_host_shows_a_key(key: str, url: str) -> None:
    told = shown((), url.format(key), secretish)
    assert nothing_of(key, told)
    assert told.startswith("https://")


@given(EVERYWHERE, st.sampled_from(URLS), st.sampled_from(WORDS))
def test_no_command_shows_a_key(key: str, url: str, words: list[str]) -> None:
    command = ["npx", *(each.format(u=url.format(key), k=key) for each in words)]
    assert nothing_of(key, shown(command, "", secretish))


@pytest.mark.parametrize("password", ["hunter", "a/b", "a?b", "a#b", "1/b", "Bearer"])
@pytest.mark.parametrize(
    "words", [["--url=https://dana:{}@h.test/mcp"], ["-c", "server --url=https://dana:{}@h.test/mcp"]]
)
def test_no_password_of_a_url_is_shown_also_one_that_is_a_word(password: str, words: list[str]) -> None:
    command = ["sh", *(each.format(password) for each in words)]
    told = shown(command, "", secretish)
    assert "dana" not in told
    assert password not in told
    assert in_words(command, secretish) == [len(words) - 1]


@given(st.text(), st.lists(st.text(), max_size=3))
@example("https://[::1", ["https://[", "a://"])
def test_whatever_stands_there_is_plain(url: str, words: list[str]) -> None:
    assert isinstance(shown((), url, secretish), str)
    assert isinstance(shown(["x", *words], "", secretish), str)
    assert in_url(url, secretish) is not None


@pytest.mark.parametrize(
    "command",
    [
        "npx -y @modelcontextprotocol/server-github@2025.4.8",
        "/opt/homebrew/bin/uvx mcp-server-fetch --ignore-robots-txt --port 8080",
        "docker run -i --rm -e GITHUB_TOKEN ghcr.io/github/github-mcp-server:v1.2",
        "/Users/dana/.nvm/versions/node/v20.11.0/bin/node /Applications/MyServer.app/run.js",
        "npx mcp-remote https://mcp.linear.app/sse",
        "npx mcp-remote http://127.0.0.1:8470/mcp/files http://[::1]:80/v2/mcp",
        "npx x https://eu-west-1.s3.amazonaws.com/servers/payments-2/mcp.json",
    ],
)
def test_what_is_plainly_words_is_shown(command: str) -> None:
    words = command.split()
    assert shown(words, "", secretish) == command
    assert in_words(words, secretish) == []


def test_of_a_script_the_words_are_shown() -> None:
    script = "API_KEY=k1 npx -y server-github --url https://h.test/mcp?key=1 -H 'Authorization: Bearer abc def' && ls"
    told = shown(["sh", "-c", script], "", secretish)
    assert told == "sh -c *** npx -y server-github --url https://h.test/mcp?key=*** -H *** && ls"


@pytest.mark.parametrize(
    ("url", "told", "where"),
    [
        ("https://h.test/k/ab:cd.ef+gh1234567890", "https://h.test/k/***", ["path"]),
        ("https://3f1c2a7be0d94c3f.h.test/mcp", "https://***.h.test/mcp", ["host"]),
        ("https://u:pw@h.test/?a=b", "https://h.test/?a=***", ["password"]),
        ("https://h.test/.well-known/mcp", "https://h.test/.well-known/mcp", []),
        ("nonsense", "a URL", []),
    ],
)
def test_where_a_secret_stands_is_named(url: str, told: str, where: list[str]) -> None:
    assert (shown((), url, secretish), in_url(url, secretish)) == (told, where)


@given(st.text(alphabet="abcdef", min_size=8))
def test_hexadecimal_letters_are_no_word(text: str) -> None:
    assert not word(text)
    assert not in_path(text)
    assert in_host(text) == MASK


@given(st.text(alphabet=ALNUM + "-_~%.:+=@", max_size=60))
def test_a_part_that_is_shown_is_short_letters_and_dashes(part: str) -> None:
    if in_path(part) and part:
        assert re.fullmatch(r"[.]?[A-Za-z0-9_-]+(?:\.[a-z]+)?", part)
        assert len(part) <= 32
        assert all(len(each) <= 3 or re.fullmatch(r"[A-Za-z]+[0-9]{0,2}", each) for each in re.split("[-_.]", part))


def test_a_name_that_is_a_key_is_not_told() -> None:
    assert plain("api_key") == "api_key"
    assert plain("ghp_s3cr3tvalue0123456") == MASK
