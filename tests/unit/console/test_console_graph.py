"""The access graph: every entitlement is a path in it, whatever its action looks like."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from remit.console.graph import READINGS, graph

names = st.text("abc-", min_size=1, max_size=6)
actions = st.one_of(
    st.builds("{}/{}".format, names, names),
    st.builds("{}:resources/read".format, names),
    st.builds("{}:GET /{}/{{id}}".format, names, names),
    names,
)
activations = st.lists(
    st.fixed_dictionaries(
        {
            "action": actions, "purpose": names, "boundary": st.one_of(st.none(), names),
            "reach": st.sampled_from(["direct", "latent", "person", "none"]), "days_of_use": st.integers(0, 3),
        }
    ),
    max_size=12,
)  # fmt: skip


@given(activations)
def test_each_entitlement_is_a_path_from_the_agent_to_its_server(rows: list[dict[str, Any]]) -> None:
    found = graph("bot", rows)
    keys = {each["key"] for each in found["nodes"]}
    assert len(keys) == len(found["nodes"])
    edges = {(each["source"], each["target"]): each["readings"] for each in found["edges"]}
    assert all(source in keys and target in keys for source, target in edges)
    for row in rows:
        server = row["action"].replace("/", ":").split(":")[0]
        assert (f"action:{row['action']}", f"server:{server}") in edges
        assert ("agent:bot", f"purpose:{row['purpose']}") in edges
    assert all(readings[0] == "configured" and set(readings) <= set(READINGS) for readings in edges.values())
