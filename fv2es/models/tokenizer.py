"""Text → token ids: the checkpoint's own sub-words, or the published ALBERT vocabulary from the Hub."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fv2es.atomic import atomic_file

PAD, CLS, UNKNOWN, MASK = range(4)
SPECIAL = ("[PAD]", "[CLS]", "[UNK]", "[MASK]")


class SubwordTokenizer:
    """Byte-pair encoding (Sennrich et al. 2016) over lower-cased words and single punctuation marks."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.encode_special_tokens = True  # a typed "[MASK]" is text like any other

    def __len__(self) -> int:
        return self._tokenizer.get_vocab_size()

    def token(self, number: int) -> str:
        """The sub-word behind an id."""
        name = self._tokenizer.id_to_token(number)
        assert name is not None, f"ids run from 0 to {len(self) - 1}, got {number}"
        return name

    def encode(self, text: str, length: int) -> list[int]:
        """`[CLS]` and at most `length` − 1 sub-words."""
        return [CLS, *self._tokenizer.encode(text, add_special_tokens=False).ids][:length]

    def spans(self, text: str, length: int) -> list[tuple[int, int]]:
        """For each token of `encode`: its characters in `text`, from and to; (0, 0) for `[CLS]`, which has none."""
        return [(0, 0), *self._tokenizer.encode(text, add_special_tokens=False).offsets][:length]

    @staticmethod
    def learn(texts: Iterable[str], size: int, path: Path) -> SubwordTokenizer:
        """Learn a vocabulary of `size` sub-words and write it to `path` (the tokenizers library's JSON)."""
        from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN], continuing_subword_prefix="##"))
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace("’", "'")]
        )
        words = Regex(r"\w+(?:'\w+)?|[^\w\s]")
        tokenizer.pre_tokenizer = pre_tokenizers.Split(words, behavior="removed", invert=True)
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=list(SPECIAL),
            limit_alphabet=400,
            continuing_subword_prefix="##",
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as stream:
            stream.write(tokenizer.to_str(pretty=True).encode())
        return SubwordTokenizer(path)


class AlbertTokenizer:
    """ALBERT's published SentencePiece vocabulary through transformers, from the Hub or its local cache."""

    def __init__(self, name: str = "albert/albert-base-v2") -> None:
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(name)

    def encode(self, text: str, length: int) -> list[int]:
        """`[CLS]` … `[SEP]`, cut to `length`."""
        return self._tokenizer(text, truncation=True, max_length=length)["input_ids"]

    def spans(self, text: str, length: int) -> list[tuple[int, int]]:
        """For each token of `encode`: its characters in `text`, from and to; (0, 0) for `[CLS]` and `[SEP]`."""
        read = self._tokenizer(text, truncation=True, max_length=length, return_offsets_mapping=True)
        return [tuple(span) for span in read["offset_mapping"]]
