"""Sub-words: learnt, kept, read again; nothing that a person may type breaks them."""

import pytest

from fv2es.models.tokenizer import CLS, MASK, PAD, SPECIAL, UNKNOWN, SubwordTokenizer

TEXTS = ["I am so happy today!", "That's what happened, isn't it?", "happiness happens to happy people"] * 5


@pytest.fixture(scope="module")
def learnt(tmp_path_factory) -> tuple[SubwordTokenizer, object]:
    path = tmp_path_factory.mktemp("words") / "deeper" / "tokenizer.json"
    return SubwordTokenizer.learn(TEXTS, 120, path), path


@pytest.fixture(scope="module")
def tokenizer(learnt) -> SubwordTokenizer:
    return learnt[0]


def words(tokenizer: SubwordTokenizer, text: str) -> list[str]:
    return [tokenizer.token(number) for number in tokenizer.encode(text, 100)]


def test_specials_have_the_first_numbers(tokenizer):
    assert [tokenizer.token(number) for number in (PAD, CLS, UNKNOWN, MASK)] == list(SPECIAL)


def test_every_sentence_begins_with_cls(tokenizer):
    assert words(tokenizer, "happy")[0] == "[CLS]"
    assert tokenizer.encode("", 10) == [CLS]


def test_pieces_put_together_are_the_text(tokenizer):
    got = words(tokenizer, "Happy people isn't, today!")[1:]
    joined = "".join(one.removeprefix("##") if one.startswith("##") else f" {one}" for one in got)
    assert joined == " happy people isn't , today !"
    assert "happy" in got, "a word that was seen often is one piece"


def test_case_and_apostrophes_do_not_matter(tokenizer):
    assert tokenizer.encode("THAT’S What", 20) == tokenizer.encode("that's what", 20)


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_cut_to_the_length(tokenizer, length):
    whole = tokenizer.encode(TEXTS[1], 100)
    assert tokenizer.encode(TEXTS[1], length) == whole[:length]


def test_no_more_than_the_size_asked_for(tokenizer):
    assert len(SPECIAL) < len(tokenizer) <= 120


def test_kept_and_read_again(learnt):
    tokenizer, path = learnt
    again = SubwordTokenizer(path)
    assert len(again) == len(tokenizer)
    assert [again.encode(text, 50) for text in TEXTS] == [tokenizer.encode(text, 50) for text in TEXTS]


@pytest.mark.parametrize(
    "text", ["🙂🙃", "日本語です", "\x00\ud7ff", "   ", "\n\t", "[MASK] [PAD] [CLS]", "ﬁne", "a" * 10_000]
)
def test_any_text_can_be_read(tokenizer, text):
    ids = tokenizer.encode(text, 30)
    assert 1 <= len(ids) <= 30
    assert all(0 <= number < len(tokenizer) for number in ids)


def test_a_typed_special_is_not_a_special(tokenizer):
    """Otherwise a visitor could hide words or end a sentence by typing."""
    assert not {PAD, CLS, MASK} & set(tokenizer.encode("[MASK] [PAD] [CLS]", 30)[1:])
