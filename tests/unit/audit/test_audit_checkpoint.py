"""Checkpoints: C2SP notes, read in one spelling only, signed by the log's key or not at all."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from remit.audit.checkpoint import Checkpoint, CheckpointInvalid, VerifierKey, parse, parse_key, sign, verify

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = VerifierKey("remit/dep_1", PRIVATE.public_key().public_bytes_raw())
POINT = Checkpoint("remit/dep_1", 12, bytes(range(32)))
NOTE = sign(POINT, KEY, PRIVATE.sign)


@pytest.mark.requirement("log:checkpoint")
def test_a_signed_checkpoint_reads_back() -> None:
    assert verify(NOTE, KEY) == parse(NOTE) == POINT
    assert NOTE.startswith("remit/dep_1\n12\n" + base64.b64encode(bytes(range(32))).decode() + "\n\n— remit/dep_1 ")


@pytest.mark.requirement("log:signed-note")
def test_the_keys_of_the_c2sp_example_have_its_id() -> None:
    # https://c2sp.org/signed-note: the example's key of the Go checksum database.
    text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    key = parse_key(text)
    assert (key.name, key.id.hex(), key.text()) == ("sum.golang.org", "033de0ae", text)


@pytest.mark.requirement("log:signed-note")
@given(st.integers(0, len(NOTE) - 1), st.characters(exclude_categories=["Cs"]))
def test_no_changed_character_is_accepted(at: int, char: str) -> None:
    changed = NOTE[:at] + char + NOTE[at + 1 :]
    if changed == NOTE:
        return
    with pytest.raises(CheckpointInvalid):
        verify(changed, KEY)


@pytest.mark.requirement("log:checkpoint")
@pytest.mark.parametrize("size", ["012", "-1", "+12", " 12", "1_2", "١٢", "1" * 19, "9" * 5000, "", "12.0"])
def test_a_size_has_one_spelling(size: str) -> None:
    text = f"remit/dep_1\n{size}\n{base64.b64encode(bytes(32)).decode()}\n"
    line = base64.b64encode(KEY.id + PRIVATE.sign(text.encode())).decode()
    with pytest.raises(CheckpointInvalid):
        verify(f"{text}\n— remit/dep_1 {line}\n", KEY)


@pytest.mark.parametrize("root", ["", "AAAA", base64.b64encode(bytes(33)).decode(), "A" * 42 + "B=", "A" * 43])
def test_a_root_is_32_bytes_in_one_spelling(root: str) -> None:
    with pytest.raises(CheckpointInvalid):
        parse(f"remit/dep_1\n12\n{root}\n\n— remit/dep_1 {base64.b64encode(KEY.id + bytes(64)).decode()}\n")


def test_extension_lines_are_refused() -> None:
    text = POINT.text() + "more\n"
    line = base64.b64encode(KEY.id + PRIVATE.sign(text.encode())).decode()
    with pytest.raises(CheckpointInvalid):
        verify(f"{text}\n— remit/dep_1 {line}\n", KEY)


@pytest.mark.requirement("log:checkpoint")
def test_another_logs_checkpoint_is_refused_though_the_key_signed_it() -> None:
    other = Checkpoint("remit/dep_2", 12, bytes(32))
    with pytest.raises(CheckpointInvalid, match="another log"):
        verify(sign(other, KEY, PRIVATE.sign), KEY)


def test_another_keys_signature_is_refused() -> None:
    forger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public = forger.public_key().public_bytes_raw()
    with pytest.raises(CheckpointInvalid, match="not signed"):
        verify(sign(POINT, VerifierKey("remit/dep_1", public), forger.sign), KEY)
    with pytest.raises(CheckpointInvalid, match="wrong"):
        verify(sign(POINT, KEY, forger.sign), KEY)


@pytest.mark.requirement("log:signed-note")
def test_a_witness_may_sign_as_well() -> None:
    witnessed = NOTE + "— witness.example " + base64.b64encode(bytes(80)).decode() + "\n"
    assert verify(witnessed, KEY) == POINT


def test_one_wrong_signature_of_ours_spoils_the_note() -> None:
    wrong = "— remit/dep_1 " + base64.b64encode(KEY.id + bytes(64)).decode() + "\n"
    with pytest.raises(CheckpointInvalid, match="wrong"):
        verify(NOTE + wrong, KEY)


@pytest.mark.parametrize(
    "note",
    ["", "\n\n", NOTE[:-1], NOTE.replace("\n", "\r\n"), NOTE + "\n", NOTE.replace("—", "-"), POINT.text(), NOTE + "x"],
)
def test_a_malformed_note_is_refused(note: str) -> None:
    with pytest.raises(CheckpointInvalid):
        verify(note, KEY)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\tb", "a\u2003b"])
def test_a_key_name_has_no_space_or_plus(name: str) -> None:
    with pytest.raises(CheckpointInvalid):
        parse_key(VerifierKey(name, KEY.public).text())


def test_a_key_with_anothers_id_is_refused() -> None:
    text = KEY.text().replace(KEY.id.hex(), "00000000")
    with pytest.raises(CheckpointInvalid, match="id"):
        parse_key(text)


def test_a_witnesss_line_is_read_as_strictly() -> None:
    for name, raw in (("wit\x01ness", bytes(80)), ("witness", bytes(4)), ("witness", b"")):
        with pytest.raises(CheckpointInvalid):
            verify(NOTE + f"— {name} {base64.b64encode(raw).decode()}\n", KEY)


def test_a_note_of_any_length_is_not_read() -> None:
    line = "— witness.example " + base64.b64encode(bytes(80)).decode() + "\n"
    assert verify(NOTE + line * 100, KEY) == POINT
    with pytest.raises(CheckpointInvalid):
        verify(NOTE + line * 1000, KEY)


def test_a_key_of_another_kind_is_no_ed25519_key() -> None:
    name, hex_id, _ = KEY.text().split("+", 2)
    cosigning = base64.b64encode(b"\x04" + KEY.public).decode()
    with pytest.raises(CheckpointInvalid):
        parse_key(f"{name}+{hex_id}+{cosigning}")
