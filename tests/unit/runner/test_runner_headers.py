from remit.runner import headers

AUTH = "DPoP x.y.z"


def sent(given: list[tuple[bytes, bytes]], body: bytes | None = b"{}") -> list[tuple[bytes, bytes]]:
    return list(headers.request(given, host="r:1", authorization=AUTH, proof="p", body=body))


def test_the_commands_own_word_about_itself_is_dropped() -> None:
    given = [
        (b"host", b"127.0.0.1:9"),
        (b"authorization", b"Bearer stolen"),
        (b"Authorization".lower(), b"Basic x"),
        (b"dpop", b"theirs"),
        (b"cookie", b"a=b"),
        (b"origin", b"http://127.0.0.1:9"),
        (b"forwarded", b"for=x"),
        (b"x-forwarded-host", b"evil"),
        (b"content-length", b"999"),
    ]
    assert sent(given) == [
        (b"host", b"r:1"),
        (b"authorization", AUTH.encode()),
        (b"dpop", b"p"),
        (b"content-length", b"2"),
    ]
    assert (b"content-length", b"2") not in sent(given, None)


def test_what_mcp_and_tracing_need_passes_as_it_came() -> None:
    given = [
        (b"accept", b"application/json, text/event-stream"),
        (b"content-type", b"application/json"),
        (b"mcp-session-id", b"s"),
        (b"mcp-protocol-version", b"2025-11-25"),
        (b"mcp-method", b"tools/call"),
        (b"mcp-param-region", b"eu"),
        (b"last-event-id", b"4"),
        (b"traceparent", b"00-1-2-01"),
        (b"x-more", b"1"),
        (b"x-more", b"2"),
    ]
    assert sent(given)[3:-1] == given


def test_headers_of_one_connection_stay_there() -> None:
    given = [
        (b"connection", b"keep-alive, X-Hop"),
        (b"x-hop", b"1"),
        (b"keep-alive", b"timeout=5"),
        (b"te", b"trailers"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"h2c"),
        (b"expect", b"100-continue"),
        (b"proxy-authorization", b"Basic x"),
    ]
    assert sent(given)[3:-1] == []


def test_no_answer_starts_a_login_or_sets_a_cookie() -> None:
    given = [
        (b"content-type", b"application/json"),
        (b"www-authenticate", b"DPoP"),
        (b"set-cookie", b"a=b"),
        (b"dpop-nonce", b"n"),
        (b"transfer-encoding", b"chunked"),
        (b"mcp-session-id", b"s"),
    ]
    assert headers.response(given) == [(b"content-type", b"application/json"), (b"mcp-session-id", b"s")]
