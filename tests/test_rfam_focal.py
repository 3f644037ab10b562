"""RFAM with focal modulation as whole models: sizes, shapes, any batch, any subset, gradients, saved and loaded."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from oracles import LetterTokenizer, largest_difference, mixed_utterances, random_utterance, scatter, shake
from torch import nn

from fv2es import hub
from fv2es.emotions import MOSEI
from fv2es.models.blocks.focal import watch_modulation
from fv2es.models.blocks.rfam import RFAMBlock
from fv2es.models.inputs import make_batch
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.registry import create_model, list_models
from fv2es.schema import Transcript

SIZES = ("rfam-focal", "rfam-focal-v", "rfam-focal-a")


def outline(name: str) -> MultimodalModel:
    """The model with shapes but without numbers."""
    with torch.device("meta"):
        return create_model(name)


@pytest.fixture
def compact() -> MultimodalModel:
    """Random weights, batch statistics as after training, calibration that is not the identity."""
    torch.manual_seed(0)
    model = scatter(shake(create_model("rfam-focal-compact")), std=0.02)
    model.calibration.scale.uniform_(0.5, 1.5)
    model.calibration.bias.uniform_(-0.5, 0.5)
    model.fusion.weight.data = torch.tensor([[0.5, 0.3, 0.2]])
    return model.eval()


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


# Behaviour of the compact size


def test_any_batch_is_its_utterances_one_by_one(compact):
    utterances, tokenizer = mixed_utterances(), LetterTokenizer()
    with torch.inference_mode():
        together = compact(make_batch(utterances, compact.inputs, tokenizer))
        alone = [compact(make_batch([one], compact.inputs, tokenizer)) for one in utterances]
    assert together.logits.std() > 0.01
    assert largest_difference(torch.cat([one.logits for one in alone]), together.logits) <= 1e-5
    assert largest_difference(torch.cat([one.modalities for one in alone]), together.modalities) <= 1e-5


@pytest.mark.parametrize("there", [*product((False, True), repeat=3)])
def test_any_subset_of_modalities(compact, there):
    """What is left out says nothing, and what stays says what it said before."""
    whole = random_utterance(3, 2, 70, "some words")
    missing: dict[str, Any] = {"faces": (), "mel": np.zeros((128, 0), np.float32), "transcript": Transcript()}
    part = replace(
        whole, **{name: value for (name, value), kept in zip(missing.items(), there, strict=True) if not kept}
    )
    with torch.inference_mode():
        full, output = (compact(make_batch([one], compact.inputs, LetterTokenizer())) for one in (whole, part))
    assert output.present[0].tolist() == list(there)
    assert output.logits.isfinite().all()
    assert largest_difference(output.modalities, full.modalities * output.present[..., None]) <= 1e-5
    assert output.logits.any() == any(there)


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    model = create_model("rfam-focal-compact").train()
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    for layer in (one for level in model.voice.trunk.levels for one in level.layers):
        layer.drop_path.rate = 0.0
    batch = make_batch([random_utterance(n, 2, 70, "letters") for n in range(4)], model.inputs, LetterTokenizer())
    nn.functional.binary_cross_entropy_with_logits(model(batch).logits, torch.eye(4, 6)).backward()
    unmoved = [name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()]
    assert unmoved == []
    assert all(one.grad.isfinite().all() for one in model.parameters())


def test_saved_and_loaded_gives_the_same_logits(compact, tmp_path, monkeypatch):
    """The loaded model is folded: no block keeps its residual form, and nothing is said differently."""
    monkeypatch.setenv("FV2ES_CHECKPOINTS", str(tmp_path))
    config = {"architecture": "rfam-focal-compact", "thresholds": dict.fromkeys(MOSEI, 0.5)}
    hub.save(compact, tmp_path / "mine", config)
    loaded = hub.load_model(hub.open_checkpoint("mine"))
    batch = make_batch(mixed_utterances(), compact.inputs, LetterTokenizer())
    with torch.inference_mode():
        one, other = loaded(batch), compact(batch)
    assert largest_difference(one.logits, other.logits) <= 1e-5
    assert largest_difference(one.modalities, other.modalities) <= 1e-5
    blocks = [block for block in loaded.face.trunk.modules() if isinstance(block, RFAMBlock)]
    assert blocks
    assert all(block.folded is not None for block in blocks)


def test_the_modulation_of_a_whole_models_voice(compact):
    batch = make_batch(mixed_utterances(), compact.inputs, LetterTokenizer())
    with torch.inference_mode(), watch_modulation(compact.voice.trunk) as maps:
        compact(batch)
    count = int(batch.piece_counts.sum())
    shapes = {level: tuple(one.shape) for level, one in maps.items()}
    assert shapes == {"level1": (count, 2, 64, 16), "level2": (count, 2, 32, 8), "level3": (count, 4, 16, 4)}
