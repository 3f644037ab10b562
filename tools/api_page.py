"""Docstrings → docs/api.md: `make docs`, or python -m tools.api_page.

Read from the source, so that the page shows annotations, defaults and the comments beside a field as they are written,
and nothing but `fv2es` itself is imported.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import fv2es

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "api.md"
HEAD = """# The Python interface

What a researcher may build upon: the names below, in the order in which a clip passes them. Written from the
docstrings by `make docs`; what is wrong here is put right there. Shapes: B utterances, E emotions, T columns of the
spectrogram (12.5 ms each); times are seconds of the clip. What the files on disk hold is in [json.md](json.md) and
[files.md](files.md), how the models work in [method.md](method.md).
"""

# module → its public names, in the page's order.
PUBLIC = {
    "pipeline": ("Analysis",),
    "limits": ("Limits",),
    "media": ("read_picture",),
    "media.isolated": ("Media",),
    "media.rules": ("MediaError",),
    "schema": ("SAMPLE_RATE", "N_MELS", "MODALITIES", "Span", "Sound", "Frame", "FaceCrop", "Transcript", "Utterance",
               "Prediction", "Reading", "Summary"),
    "emotions": ("MOSEI", "IEMOCAP", "canonical", "parse_labels"),
    "utterances": ("Segmenter",),
    "modalities.extract": ("extract", "extract_span"),
    "modalities.faces": ("FaceFinder", "FaceTrack"),
    "modalities.spectrogram": ("mel_spectrogram", "pieces", "band_frequencies"),
    "modalities.speech": ("Transcriber", "make_transcriber"),
    "reader": ("Reader", "reader_of"),
    "hub": ("Checkpoint", "CheckpointError", "list_checkpoints", "open_checkpoint", "load_model", "save"),
    "models.registry": ("register_model", "create_model"),
    "models.multimodal": ("MultimodalModel", "Output"),
    "models.inputs": ("InputConfig", "FaceInput", "MelInput", "Batch", "make_batch"),
    "models.watching": ("can_be_watched", "watch", "Watch", "piece_times"),
    "results": ("probabilities", "single_label", "make_reading", "Fold", "summarise", "reading_json", "summary_json",
                "analysis_json", "Document"),
    "again": ("edited", "rerun", "watched", "leave_one_out", "compare", "AgainError"),
    "data.manifest": ("Row", "read_manifest", "ManifestError"),
    "data.packs": ("open_pack", "Pack", "Item", "utterance", "PackError"),
    "evaluation": ("evaluate", "Evaluation", "Unreadable", "row_extractor", "parse_modalities"),
    "metrics": ("report", "binary", "average", "auc", "confusion", "single_figures"),
    "training.run": ("train", "Options"),
    "training.recipes": ("Config",),
    "training.loop": ("Recipe",),
    "training.whole": ("choose_thresholds",),
    "batch.jobs": ("gather", "shard", "Job", "BatchError"),
    "batch.workers": ("read_all",),
    "batch.record": ("Settings", "Outcome", "Shelf"),
    "batch.tables": ("write_tables",),
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One name: what it is called on the page, how it is written in the source, what is said of it."""

    name: str
    code: str
    said: str
    members: tuple[Entry, ...] = ()


@cache
def _source(module: str) -> tuple[str, ast.Module]:
    path = ROOT.joinpath("fv2es", *module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = path.read_text(encoding="utf-8")
    return text, ast.parse(text)


def find(module: str, name: str) -> Entry:
    """Raises LookupError where there is no such name."""
    text, tree = _source(module)
    lines = text.splitlines()
    for node in tree.body:
        if getattr(node, "name", None) == name:
            return _class(lines, node) if isinstance(node, ast.ClassDef) else _function(lines, node)
        if any(isinstance(one, ast.Name) and one.id == name for one in getattr(node, "targets", ())):
            return _constant(name, lines, node.lineno - 1)
    raise LookupError(f"fv2es.{module} has no {name}")


def _constant(name: str, lines: list[str], place: int) -> Entry:
    """What is said of it stands behind it, or above."""
    code, _, beside = lines[place].partition("  # ")
    above = lines[place - 1].removeprefix("# ") if lines[place - 1].startswith("# ") else ""
    return Entry(name, code, beside or above)


def _function(lines: list[str], node: ast.stmt) -> Entry:
    """As it stands in the source, less what a caller does not write."""
    assert isinstance(node, ast.FunctionDef)
    head = lines[node.lineno - 1 : max(node.body[0].lineno - 1, node.lineno)]
    code = textwrap.dedent("\n".join(head)).removeprefix("def ").removesuffix(" ...").removesuffix(":")
    code = re.sub(r"\((\s*)(self|cls)(, |,\n\s*)?", r"(\1", code, count=1)
    if any(ast.unparse(one) == "property" for one in node.decorator_list):
        code = code.replace("()", "", 1)
    return Entry(node.name, code, _doc(node))


def _class(lines: list[str], node: ast.ClassDef) -> Entry:
    annotated = [one for one in node.body if isinstance(one, ast.AnnAssign)]
    fields = [one for one in annotated if not ast.unparse(one.target).startswith("_")]
    shown = [lines[number] for one in fields for number in range(one.lineno - 1, one.end_lineno or 0)]
    code = "\n".join([lines[node.lineno - 1].removesuffix("" if shown else ":"), *shown])
    methods = [_function(lines, one) for one in node.body if isinstance(one, ast.FunctionDef)]
    made = next((one.code for one in methods if one.name == "__init__"), "")
    if made:
        code = made.replace("__init__", node.name, 1).removesuffix(" -> None")
    return Entry(node.name, code, _doc(node), tuple(one for one in methods if not one.name.startswith("_")))


def _doc(node: ast.ClassDef | ast.FunctionDef) -> str:
    return ast.get_docstring(node) or ""


def entries() -> Iterator[tuple[str, str, list[Entry]]]:
    """Module, what it says of itself, and its names; first those of `fv2es` itself."""
    own = []
    for name in fv2es.__all__:
        module, known = fv2es._HOMES[name]
        one = find(module.removeprefix("fv2es."), known)
        own.append(Entry(name, one.code.replace(known, name, 1), one.said))
    yield "fv2es", fv2es.__doc__ or "", own
    for module, names in PUBLIC.items():
        said = ast.get_docstring(_source(module)[1]) or ""
        yield f"fv2es.{module}", said, [find(module, name) for name in names]


def undocumented() -> list[str]:
    """Names and members of which nothing is said."""
    return [
        f"{module}.{one.name}{f'.{member.name}' if member is not one else ''}"
        for module, _, found in entries()
        for one in found
        for member in (one, *one.members)
        if not member.said
    ]


def page() -> str:
    """The whole of docs/api.md."""
    parts = [HEAD]
    every = list(entries())
    parts.append(",\n".join(f"[`{module}`](#{module.replace('.', '')})" for module, *_ in every) + ".")
    for module, said, found in every:
        parts += [f"## `{module}`", _text(said)]
        for one in found:
            parts += [f"### `{one.name}`", f"```python\n{textwrap.dedent(one.code)}\n```", _text(one.said)]
            parts.append("\n".join(_member(member) for member in one.members))
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _member(one: Entry) -> str:
    code = re.sub(r",?\s*\n\s*\)", ")", one.code)
    code = re.sub(r"\s*\n\s*", " ", code).replace("( ", "(")
    return f"- `{code}`\n" + textwrap.indent(_text(one.said), "  ")


def _text(said: str) -> str:
    """A docstring as Markdown: outside of code, asterisks and angle brackets mean themselves."""
    lines = [line if line.startswith("    ") else _plain(line) for line in said.strip().splitlines()]
    return "\n".join(lines)


def _plain(line: str) -> str:
    pieces = re.split(r"(`[^`]*`)", line)
    return "".join(one if one.startswith("`") else re.sub(r"([*<>])", r"\\\1", one) for one in pieces)


if __name__ == "__main__":
    if lacking := undocumented():
        raise SystemExit(f"There is no docstring at {', '.join(lacking)}.")
    TARGET.write_text(page(), encoding="utf-8")
