import json
from pathlib import Path

import pytest

from remit.cli.locate import Unreachable, find
from remit.kernel.errors import ConfigInvalid, Unauthenticated


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    data = tmp_path / "remit"
    data.mkdir()
    (data / "admin.token").write_text("rmt_admin\n", encoding="ascii")
    instance = {"url": "http://127.0.0.1:8470", "pid": 1, "admin_token_file": str(data / "admin.token")}
    (data / "instance.json").write_text(json.dumps(instance), encoding="utf-8")
    return {"XDG_DATA_HOME": str(tmp_path)}


def test_the_local_server_is_found(home: dict[str, str]) -> None:
    target = find(home)
    assert (target.url, target.token) == ("http://127.0.0.1:8470", "rmt_admin")


def test_the_environment_wins(home: dict[str, str]) -> None:
    target = find(home | {"REMIT_URL": "http://10.0.0.1:1/", "REMIT_TOKEN": "mine"})
    assert (target.url, target.token) == ("http://10.0.0.1:1", "mine")


def test_the_local_admin_token_goes_to_no_other_address(home: dict[str, str]) -> None:
    assert find(home | {"REMIT_URL": "http://evil.test"}).token is None


def test_the_token_file_is_read(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "t").write_text("other\n", encoding="ascii")
    assert find(home | {"REMIT_TOKEN_FILE": str(tmp_path / "t")}).token == "other"
    with pytest.raises(Unauthenticated):
        find(home | {"REMIT_TOKEN_FILE": str(tmp_path / "absent")})


def test_without_a_server_it_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as caught:
        find({"XDG_DATA_HOME": str(tmp_path)})
    assert caught.value.try_ == "remit up"


def test_a_damaged_instance_file_is_no_server(tmp_path: Path) -> None:
    (tmp_path / "remit").mkdir()
    (tmp_path / "remit" / "instance.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigInvalid):
        find({"XDG_DATA_HOME": str(tmp_path)})
