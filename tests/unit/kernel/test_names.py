import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.errors import Malformed
from remit.kernel.names import check_name, method_action, new_id, split_action, tool_action, well_formed_tool


@pytest.mark.parametrize("name", ["payments", "a", "invoice-bot", "x" * 63, "0day"])
def test_names(name: str) -> None:
    assert check_name(name, what="agent") == name


@pytest.mark.parametrize("name", ["", "A", "-a", "a_b", "a/b", "x" * 64, "ä", "a\n", " a", None, 5, "a.b", "a\u200b"])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(Malformed):
        check_name(name, what="agent")


@given(st.from_regex(r"[a-z0-9][a-z0-9-]{0,10}", fullmatch=True), st.text(min_size=1, max_size=20))
def test_an_action_splits_into_what_it_was_made_of(server: str, rest: str) -> None:
    assert split_action(tool_action(server, rest)) == (server, rest, True)
    assert split_action(method_action(server, rest)) == (server, rest, False)


def test_ids_made_later_sort_later_and_differ() -> None:
    ids = [new_id("dec") for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(i.startswith("dec_") and len(i) == 30 for i in ids)


@pytest.mark.parametrize(
    ("tool", "fine"),
    [
        ("transfer", True),
        ("get-env", True),
        ("a b", False),
        ("", False),
        ("x" * 257, False),
        ("e\u0301", False),
        (3, False),
    ],
)
def test_tool_names(tool: object, fine: bool) -> None:  # noqa: FBT001 - a table of examples
    assert well_formed_tool(tool) is fine
