"""RFAM with focal modulation as whole models: sizes, shapes, modulation (`test_contract` has what holds for all)."""

import pytest
import torch
from oracles import LetterTokenizer, mixed_utterances, outline

from fv2es.models.blocks.focal import watch_modulation
from fv2es.models.inputs import make_batch
from fv2es.models.registry import create_model, list_models

SIZES = ("rfam-focal", "rfam-focal-v", "rfam-focal-a")


# Sizes


def test_all_of_the_papers_models_are_registered():
    assert {*SIZES, "rfam-focal-compact"} <= set(list_models())


@pytest.mark.parametrize(
    ("name", "face", "voice"),
    [
        ("rfam-focal", 739_456, 49_119_144),
        ("rfam-focal-v", 739_456, 66_735_744),
        ("rfam-focal-a", 1_811_584, 49_119_144),
    ],
)
def test_trunks_to_the_digit(name, face, voice):
    model = outline(name)
    trunks = {part: sum(p.numel() for p in getattr(model, part).trunk.parameters()) for part in ("face", "voice")}
    assert trunks == {"face": face, "voice": voice}
    assert model.parameter_counts()["words"] == 11_688_198


def test_heads_are_those_of_v2em_on_the_trunks_maps():
    whole, v2em = outline("rfam-focal"), outline("v2em")
    for part, here, there in (("face", 256 * 9, 512 * 9), ("voice", 768 * 4, 512 * 64)):
        heads = [sum(p.numel() for p in getattr(model, part).head.parameters()) for model in (whole, v2em)]
        assert heads[1] - heads[0] == 1024 * (there - here)


@pytest.mark.parametrize("name", SIZES)
def test_the_papers_shapes(name):
    model = outline(name)
    pictures, sounds = torch.zeros(2, 3, 48, 48, device="meta"), torch.zeros(5, 4, 32, 32, device="meta")
    faces, voices = model.face.trunk(pictures), model.voice.trunk(sounds)
    assert faces.shape == ((2, 512, 3, 3) if name == "rfam-focal-a" else (2, 256, 3, 3))
    assert voices.shape == ((5, 512, 8, 8) if name == "rfam-focal-v" else (5, 768, 4, 1))
    assert (model.face.head.embed(faces).shape, model.voice.head.embed(voices).shape) == ((2, 64), (5, 64))


def test_the_compact_size_stays_small():
    model, v2em = outline("rfam-focal-compact"), outline("v2em-compact")
    assert sum(p.numel() for p in model.parameters()) <= 12e6
    assert (model.inputs, model.readout, type(model.fusion)) == (v2em.inputs, v2em.readout, type(v2em.fusion))
    assert model.parameter_counts()["words"] == v2em.parameter_counts()["words"]


def test_the_modulation_of_a_whole_models_voice():
    compact = create_model("rfam-focal-compact").eval()
    batch = make_batch(mixed_utterances(), compact.inputs, LetterTokenizer())
    with torch.inference_mode(), watch_modulation(compact.voice.trunk) as maps:
        compact(batch)
    count = int(batch.piece_counts.sum())
    shapes = {level: tuple(one.shape) for level, one in maps.items()}
    assert shapes == {"level1": (count, 2, 64, 16), "level2": (count, 2, 32, 8), "level3": (count, 4, 16, 4)}
