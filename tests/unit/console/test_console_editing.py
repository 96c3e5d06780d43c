"""What somebody writes in the editor's form comes out of it as it was written, and nothing of it is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remit.console.editing import draft, named

TEXT = st.text(alphabet=st.sampled_from(["a", "é", " ", "\n", '"', "&", "=", "+", "%"]), min_size=1, max_size=40)


@given(st.lists(TEXT, min_size=1, max_size=5))
def test_every_text_comes_out_as_it_was_written(texts: list[str]) -> None:
    form = {f"name.{at}": "policies/same.cedar" for at in range(len(texts))}
    form |= {f"text.{at}": text.replace("\n", "\r\n") for at, text in enumerate(texts)}
    assert list(draft(form, began="1").files.values()) == texts, "two files of one name are both kept"


def test_what_is_left_out_is_a_document_that_says_nothing() -> None:
    form = {"name.0": "policies/a.cedar", "text.0": "one\n", "drop.0": "1", "name.1": "b", "text.1": "two\n"}
    found = draft(form, began="3")
    assert dict(found.files) == {"policies/b.cedar": "two\n"}
    documents = found.documents({"policies/a.cedar": "one\n", "policies/b.cedar": "two\n"})
    assert [(each["file"], each["text"].startswith("//")) for each in documents] == [("policies/a.cedar", True)]
    assert draft({"name.0": "policies/x.cedar"}, began="1").files == {"policies/x.cedar": ""}
    assert draft({}, began="1").files == {}


def test_a_file_is_called_as_apply_would_call_it() -> None:
    assert [named(each) for each in ("a", "a.cedar", "policies/a.cedar", "other/a.cedar")] == [
        "policies/a.cedar", "policies/a.cedar", "policies/a.cedar", "other/a.cedar",
    ]  # fmt: skip
