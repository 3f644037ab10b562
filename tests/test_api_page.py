"""docs/api.md is what the docstrings say, and every public name has one."""

import ast
import importlib
import sys
from pathlib import Path

import pytest

import fv2es

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def tool():
    sys.path.insert(0, str(ROOT))
    try:
        yield importlib.import_module("tools.api_page")
    finally:
        sys.path.remove(str(ROOT))


def test_every_public_name_has_a_docstring(tool):
    assert tool.undocumented() == []


def test_the_page_is_what_the_docstrings_say(tool):
    assert tool.page() == tool.TARGET.read_text(encoding="utf-8"), (
        "make docs (or python -m tools.api_page) writes it anew"
    )


def test_all_that_the_package_offers_is_there(tool):
    text = tool.page()
    assert all(f"### `{name}`" in text for name in fv2es.__all__)
    assert text.count("](#") == text.count("\n## ")


def test_modules_that_list_their_public_names_mean_the_same(tool):
    for module, names in tool.PUBLIC.items():
        stated = [
            ast.literal_eval(node.value)
            for node in tool._source(module)[1].body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ]
        assert set(names) <= set(*stated or [names]), module


def test_signatures_are_as_a_caller_writes_them(tool):
    assert tool.find("pipeline", "analyse").code.startswith("analyse(\n    path: str | os.PathLike[str],\n    *,\n")
    span = tool.find("schema", "Span")
    assert span.code == "class Span:\n    start: float\n    end: float"
    assert [one.code for one in span.members] == ["duration -> float"]
    media = tool.find("media.isolated", "Media")
    assert media.code.startswith("Media(\n    path: ")
    assert next(one for one in media.members if one.name == "close").code == "close() -> None"
    assert "self" not in "".join(one.code for one in media.members)
    assert "_entries" not in tool.find("data.packs", "Pack").code
    rate = tool.find("schema", "SAMPLE_RATE")
    assert (rate.code, rate.said) == ("SAMPLE_RATE = 16_000", "Hz, of every waveform in the package")


def test_a_name_without_a_docstring_is_found(tool, monkeypatch):
    text = 'class A:\n    """Said."""\n\n    def b(self) -> int:\n        return 1\n\n\ndef c(): ...\n'
    monkeypatch.setattr(tool, "_source", lambda module: (text, ast.parse(text)))
    monkeypatch.setattr(tool, "PUBLIC", {"made.up": ("A", "c")})
    monkeypatch.setattr(fv2es, "__all__", [])
    assert tool.undocumented() == ["fv2es.made.up.A.b", "fv2es.made.up.c"]
    with pytest.raises(LookupError):
        tool.find("made.up", "d")


def test_asterisks_and_brackets_mean_themselves(tool):
    assert tool._text("a * <b> `c * <d>`\n    e * <f>") == "a \\* \\<b\\> `c * <d>`\n    e * <f>"
