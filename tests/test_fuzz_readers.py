"""Readers of files that people write or download: any bytes end in what was asked for, or in one sentence."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some
from oracles import tiny_v2em
from test_hub import make

from fv2es import hub
from fv2es.data.manifest import COLUMNS, ManifestError, Row, read_manifest
from fv2es.data.unpickle import RefusedPickle, loads_plain
from fv2es.hub import CheckpointError, load_model, open_checkpoint
from fv2es.modalities.speech.errors import SpeechError
from fv2es.modalities.speech.subtitles import MAX_CUES, Cue, looks_like_subtitles, parse_subtitles, read_subtitles
from fv2es.models import registry
from fv2es.schema import Span
from fv2es.takeaway import Shelf, ShelfError
from fv2es.training.recipes import Config, read_layers, settle

# The same cases at every run, and no limit on the time of one: machines differ.
thorough = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
few = settings(thorough, max_examples=40)

NESTED = 100_000  # brackets


def outcome(refusal: type[Exception], read: Callable[[], Any], folder: Path | None = None) -> Any:
    """What is read; None where a sentence refuses it: one line, which names no place on this machine."""
    try:
        return read()
    except refusal as error:
        said = str(error)
    assert re.fullmatch(r"[^\n]+[.)]", said)
    assert folder is None or str(folder) not in said
    return None


# Subtitles

numbers = some.integers(0, 99_999).map(str) | some.sampled_from(["00", "1", "59", "60", "-1", "٣", "1e9", ""])
times = some.builds(
    lambda hours, minutes, seconds, mark, rest: f"{hours}:{minutes}:{seconds}{mark}{rest}",
    numbers, numbers, numbers, some.sampled_from([",", ".", ";", ""]), numbers,
)  # fmt: skip
words = some.text(max_size=40) | some.sampled_from(
    [
        "<i>",
        "</v",
        "{\\an8}",
        "&amp;",
        "&#xFFFFFF;",
        "&#1114112;",
        "-->",
        "NOTE",
        "STYLE",
        "[happy 0.50] ",
        "\ufeff",
        "<" * 99,
    ]
)
cues = some.builds(lambda begin, end, text: f"{begin} --> {end}\n{text}\n\n", times, times, words)
subtitles = some.builds(
    lambda head, parts, ends: ends.join(f"{head}{''.join(parts)}".split("\n")),
    some.sampled_from(["", "WEBVTT\n\n", "\ufeff1\n", "WEBVTT - x\nNOTE\n"]),
    some.lists(cues | words, max_size=8),
    some.sampled_from(["\n", "\r\n", "\r"]),
)


def check_cues(found: tuple[Cue, ...]) -> None:
    assert 0 < len(found) <= MAX_CUES
    assert list(found) == sorted(found)
    for cue in found:
        assert cue.text.strip() == cue.text != ""
        assert cue.text.isprintable()
        Span(cue.start, cue.end)


@thorough
@given(subtitles | some.text())
@example("00:00:00,000 --> 00:00:01,000\nwords\n" * (MAX_CUES + 1))
@example("00:00:00,000 --> 00:00:01,000\n" + "<" * 100_000)
@example("00:00:00,000 --> 00:00:01,000\n" + "{\\" * 100_000)
@example("00:00:00,000 --> 00:00:01,000\n" + "[happy 0.50]" * 20_000)
def test_subtitles(text: str) -> None:
    found = outcome(SpeechError, lambda: parse_subtitles(text))
    if found is not None:
        check_cues(found)
        assert looks_like_subtitles(text)


encoded = some.builds(
    lambda text, name: text.encode(name, "replace"), subtitles, some.sampled_from(["utf-8", "utf-16"])
)


@thorough
@given(encoded | some.binary())
def test_subtitle_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "words.srt"
    path.write_bytes(content)
    found = outcome(SpeechError, lambda: read_subtitles(path), tmp_path)
    if found is not None:
        check_cues(found)


# Manifests

cells = some.text(max_size=12) | some.sampled_from(
    ["", "happy", "sad,fear", "0", "1.5", "-1", "nan", "inf", "1e400", "a.mp4", "../../a", "/dev/zero", "\0", "neutral"]
)
tables = some.builds(
    lambda header, rows: "\n".join("\t".join(row) for row in [header, *rows]).encode("utf-8", "surrogatepass"),
    some.lists(some.sampled_from(COLUMNS) | some.text(max_size=5), max_size=7),
    some.lists(some.lists(cells, max_size=7), max_size=5),
)
fitting = some.builds(
    lambda rows: "\n".join("\t".join(row) for row in [COLUMNS, *rows]).encode("utf-8", "surrogatepass"),
    some.lists(some.tuples(*[cells] * len(COLUMNS)), max_size=5),
)


@thorough
@given(tables | fitting | some.binary())
def test_manifests(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.tsv"
    path.write_bytes(content)
    for row in outcome(ManifestError, lambda: read_manifest(path), tmp_path) or ():
        assert isinstance(row, Row)
        assert row.start is None or (np.isfinite(row.start) and row.start >= 0)
        assert row.end is None or (np.isfinite(row.end) and row.end > (row.start or 0))


# Recipes

keys = some.sampled_from(
    [
        "model",
        "epochs",
        "batch",
        "lr",
        "loss",
        "score",
        "rates",
        "data",
        "recipe",
        "mosei",
        "iemocap",
        "average",
        "warm",
    ]
)
values = some.recursive(
    some.booleans() | some.integers() | some.floats() | some.text(max_size=5) | some.sampled_from(["compact", "bce"]),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


def as_toml(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {as_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return json.dumps(value).replace("\x7f", "\\u007F") if isinstance(value, str) else str(value)


recipes = some.dictionaries(keys, values, max_size=8).map(
    lambda table: "\n".join(f"{key} = {as_toml(value)}" for key, value in table.items()).encode()
)


@thorough
@given(recipes | some.binary())
@example(b"model = " + b"[" * NESTED)
@example(b'recipe = "compact"\nlr = nan')
def test_recipes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    config = outcome(ValueError, lambda: settle(read_layers(path), "mosei"))
    if config is not None:
        assert isinstance(config, Config)
        assert config.recipe.lr > 0


# Checkpoints

json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=8),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def checkpoint(tmp_path_factory, monkeypatch) -> Path:
    """The folder of a sound one, called mine."""
    registry.list_models()
    monkeypatch.setitem(registry._BUILDERS, "tiny", tiny_v2em)
    folder = tmp_path_factory.mktemp("checkpoints")
    monkeypatch.setenv("FV2ES_CHECKPOINTS", str(folder))
    make(folder, "mine")
    return folder / "mine"


def refused_or_sound(folder: Path) -> bool:
    """Can it be used? Where it cannot, a sentence says so."""
    return outcome(CheckpointError, lambda: load_model(open_checkpoint("mine")), folder) is not None


def entry(config: dict, path: tuple[str, ...]) -> dict:
    for name in path:
        config = config[name]
    return config


@few
@given(some.data())
def test_a_config_with_something_else_in_it(checkpoint: Path, data) -> None:
    path = checkpoint / hub.CONFIG
    whole = path.read_text(encoding="utf-8")
    config = json.loads(whole)
    where = data.draw(some.sampled_from([(), ("thresholds",), ("inputs",)]))
    key = data.draw(some.sampled_from(sorted(entry(config, where))) | some.text(max_size=8))
    entry(config, where)[key] = data.draw(json_values)
    path.write_text(json.dumps(config), encoding="utf-8")
    refused_or_sound(checkpoint)
    path.write_text(whole, encoding="utf-8")
    assert refused_or_sound(checkpoint)


@few
@given(some.binary() | json_values.map(lambda value: json.dumps(value).encode()))
@example(b"[" * NESTED)
@example(b'{"emotions": ' + b"[" * NESTED)
def test_a_config_that_is_none(checkpoint: Path, content: bytes) -> None:
    path = checkpoint / hub.CONFIG
    whole = path.read_bytes()
    path.write_bytes(content)
    assert not refused_or_sound(checkpoint)
    path.write_bytes(whole)


def damaged(whole: bytes, data) -> bytes:
    """Cut, or with other bytes somewhere; its header of JSON is hit as often as all the rest."""
    reach = data.draw(some.sampled_from([8, 500, len(whole)]))
    begin = data.draw(some.integers(0, min(reach, len(whole) - 1)))
    if data.draw(some.booleans()):
        return whole[:begin]
    new = data.draw(some.binary(min_size=1, max_size=16))
    return whole[:begin] + new + whole[begin + len(new) :]


@few
@given(some.data())
def test_weights_of_whoever_wrote_the_config_too(checkpoint: Path, data) -> None:
    """The SHA-256 is right, so that it is the reader who has to refuse them."""
    weights, config = checkpoint / hub.WEIGHTS, checkpoint / hub.CONFIG
    sound = weights.read_bytes(), config.read_text(encoding="utf-8")
    weights.write_bytes(damaged(sound[0], data))
    fields = json.loads(sound[1]) | {"sha256": hub.sha256(weights)}
    config.write_text(json.dumps(fields), encoding="utf-8")
    refused_or_sound(checkpoint)
    weights.write_bytes(sound[0])
    config.write_text(sound[1], encoding="utf-8")


# Pickles of plain data, and kept results


@thorough
@given(some.binary() | some.binary().map(lambda content: b"\x80\x04" + content + b"."))
def test_pickles(content: bytes) -> None:
    outcome(RefusedPickle, lambda: loads_plain(content))


@few
@given(some.binary())
def test_kept_results(tmp_path: Path, content: bytes) -> None:
    token = "A" * 22
    (tmp_path / f"{token}.result").write_bytes(content)
    with pytest.raises(ShelfError):
        Shelf(tmp_path).get(token)
