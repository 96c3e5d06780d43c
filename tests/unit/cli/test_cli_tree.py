import json
from pathlib import Path

import pytest

from remit.cli.tree import read
from remit.kernel.errors import ConfigInvalid

PUBLIC = {"kty": "EC", "crv": "P-256", "x": "eA", "y": "eQ"}


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_a_tree_becomes_documents_in_their_order(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {
            "owners.yaml": "- {owner: dana}\n- {owner: lee}\n",
            "purposes/p.yaml": "purpose: p\n",
            "servers/s.yml": "server: s\n",
            "agents/a.yaml": "\nagent: a\n",
            "boundaries/b.yaml": "boundary: b\nallow: [{when: {amount: {max: '500.00'}}}]\n",
            "policies/x.cedar": "forbid (principal, action, resource);\n",
            ".git/HEAD": "ref\n",
            ".gitignore": "*.swp\n",
            "README.md": "Whose rules these are.\n",
            "agents/README.md": "One file for each agent.\n",
            "policies/.keep": "",
        },
    )
    found = read(tmp_path).documents
    kinds = [(document["kind"], document["file"], document.get("line")) for document in found]
    assert kinds == [
        ("owner", "owners.yaml", 1),
        ("owner", "owners.yaml", 2),
        ("purpose", "purposes/p.yaml", 1),
        ("server", "servers/s.yml", 1),
        ("agent", "agents/a.yaml", 2),
        ("boundary", "boundaries/b.yaml", 1),
        ("policy", "policies/x.cedar", None),
    ]
    assert found[-2]["spec"]["allow"][0]["when"]["amount"]["max"] == "500.00"
    assert found[-1]["text"].startswith("forbid")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("NOTES.md", "NOTES.md: unknown file"),
        ("agents/readme.yaml.md", "agents/readme.yaml.md: unknown file"),
        ("agents/notes.txt", "agents/notes.txt: unknown file"),
        ("agents/team/a.yaml", "agents/team: unknown file"),
        ("policies/x.txt", "policies/x.txt: unknown file"),
        ("entities/people.yaml", "entities/people.yaml: unknown file"),
        ("settings.toml", "settings.toml: unknown file"),
    ],
)
def test_a_file_that_is_not_understood_is_refused(tmp_path: Path, file: str, said: str) -> None:
    tree(tmp_path, {"owners.yaml": "owner: dana\n", file: "x"})
    with pytest.raises(ConfigInvalid, match=said):
        read(tmp_path)


def test_what_is_declared_of_types_of_ones_own_is_sent_as_it_stands(tmp_path: Path) -> None:
    files = {"policies/a.cedarschema": "entity A;", "entities/a.json": "[ ]", "remit.toml": "# none"}
    tree(tmp_path, files)
    assert {(each["kind"], each["file"]): each["text"] for each in read(tmp_path).documents} == {
        ("schema", "policies/a.cedarschema"): "entity A;",
        ("entities", "entities/a.json"): "[ ]",
        ("authzen", "remit.toml"): "# none",
    }


def test_an_empty_directory_is_no_request_to_end_everything(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="nothing to apply"):
        read(tmp_path)


def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="not a directory"):
        read(tmp_path / "absent")


AGENT = "agent: a\nattest:\n  - private_key_jwt: {jwk_file: a.pub.jwk}\n"


def test_a_key_file_is_read_beside_its_yaml(tmp_path: Path) -> None:
    tree(tmp_path, {"agents/a.yaml": AGENT, "agents/a.pub.jwk": json.dumps(PUBLIC), "agents/a": "the private half"})
    (document,) = read(tmp_path).documents
    assert document["spec"]["attest"] == [{"private_key_jwt": {"jwk": PUBLIC}}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps({**PUBLIC, "d": "c2VjcmV0"}), "is a private key"),
        (json.dumps({"kty": "oct", "k": "c2VjcmV0"}), "is a private key"),
        ("[]", "is no JWK"),
        ("no json", "is no JWK"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_key_file_is_named_with_its_line(tmp_path: Path, text: str | None, said: str) -> None:
    tree(tmp_path, {"agents/a.yaml": AGENT} | ({"agents/a.pub.jwk": text} if text is not None else {}))
    with pytest.raises(ConfigInvalid, match=rf"^agents/a\.yaml:3: .*{said}") as caught:
        read(tmp_path)
    assert "c2VjcmV0" not in str(caught.value) + caught.value.detail


def test_a_file_over_its_limit_is_refused(tmp_path: Path) -> None:
    tree(tmp_path, {"owners.yaml": "# " + "x" * (1 << 20)})
    with pytest.raises(ConfigInvalid, match="over 1 MiB"):
        read(tmp_path)


def test_combinations_stand_before_policies(tmp_path: Path) -> None:
    files = {"combinations/c.yaml": "combination: c\n", "policies/x.cedar": "", "boundaries/b.yaml": "boundary: b\n"}
    tree(tmp_path, files)
    assert [document["kind"] for document in read(tmp_path).documents] == ["boundary", "combination", "policy"]
