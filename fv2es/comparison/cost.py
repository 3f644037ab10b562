"""What a model costs, whatever its weights: parameters, multiplications, seconds.

An utterance is 5 faces, 4 s of sound (10 pieces) and 20 tokens. Weights are random and blocks folded.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fv2es.models.blocks.repvgg import fold
from fv2es.models.inputs import Batch
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.registry import create_model
from fv2es.schema import SAMPLE_RATE

BASELINE = "fe2e"  # of all papers
FACES, PIECES, TOKENS, SAMPLES = 5, 10, 20, 4 * SAMPLE_RATE
LEAST_ID, MOST_ID = 4, 60  # token ids that every vocabulary has


def parameters(name: str) -> dict[str, int]:
    """Counted without being filled, in training form, as the papers count: by modality, of the fusion, and in all."""
    with torch.device("meta"):
        counts = create_model(name).parameter_counts()
    return {**counts, "total": sum(counts.values())}


def ready(name: str, device: str = "cpu") -> MultimodalModel:
    """A model as it is served, but for its weights."""
    return fold(create_model(name).eval().requires_grad_(False)).to(device)


def operations(model: MultimodalModel) -> int:
    """Multiplications of one utterance, nothing fused, so that every product of matrices is counted."""
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), _unfused(model), counter:
        model(random_batch(model, 1))
    return counter.get_total_flops() // 2


@contextmanager
def _unfused(model: nn.Module) -> Iterator[None]:
    """Attention and recurrent layers as the products they consist of: the counter sees nothing of what is fused.

    oneDNN is done without only where something is recurrent, because convolutions are slow without it.
    """
    recurrent = any(isinstance(part, nn.RNNBase) for part in model.modules())
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), torch.backends.mkldnn.flags(enabled=not recurrent):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def random_batch(model: MultimodalModel, size: int) -> Batch:
    """`size` utterances of noise, as the model's inputs are shaped."""
    face, hears_waves = model.inputs.face, model.inputs.waveform > 0
    return Batch(
        faces=torch.randn(size * FACES, 1 if face.grey else 3, face.side, face.side),
        face_counts=torch.full((size,), FACES),
        pieces=torch.randn(size * PIECES, 4, 32, 32),
        piece_counts=torch.full((size,), PIECES),
        tokens=torch.randint(LEAST_ID, MOST_ID, (size, TOKENS)),
        token_mask=torch.ones(size, TOKENS, dtype=torch.bool),
        **({"waves": torch.randn(size, SAMPLES), "wave_lengths": torch.full((size,), SAMPLES)} if hears_waves else {}),
    )


def take_turns(
    models: Mapping[str, MultimodalModel], repeats: int, batch: int, device: str = "cpu"
) -> dict[str, list[float]]:
    """Name → seconds per 100 utterances, one for each repeat, in batches of `batch`.

    Within a repeat each model has its turn, so that whatever else the machine does falls on all of them. A first turn
    that warms is not counted.
    """
    batches = {name: random_batch(model, batch).to(device) for name, model in models.items()}
    seconds: dict[str, list[float]] = {name: [] for name in models}
    with torch.inference_mode():
        for repeat in range(repeats + 1):
            for name, model in models.items():
                start = time.perf_counter()
                model(batches[name])
                if torch.device(device).type == "cuda":
                    torch.cuda.synchronize(device)
                if repeat:
                    seconds[name].append((time.perf_counter() - start) * 100 / batch)
    return seconds


def speeds(seconds: Mapping[str, list[float]]) -> dict[str, dict[str, Any]]:
    """Each, median, least and most seconds per 100 utterances, and how many times the baseline's median."""
    baseline = median(seconds[BASELINE])
    return {
        name: {
            "median": median(taken),
            "least": min(taken),
            "most": max(taken),
            "ratio": median(taken) / baseline,
            "each": list(taken),
        }
        for name, taken in seconds.items()
    }


def machine(device: str = "cpu") -> str:
    """The processor that measures, and the library."""
    if torch.device(device).type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    threads = torch.get_num_threads()
    return f"{_processor()}, {os.cpu_count()} cores, {threads} threads, torch {torch.__version__}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo")
    named: Iterable[str] = lines.read_text(encoding="utf-8").splitlines() if lines.is_file() else ()
    models = [line.partition(":")[2].strip() for line in named if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def sizes(name: str) -> dict[str, Any]:
    """What needs no clock: parameters, and multiplications of one utterance."""
    return {"parameters": parameters(name), "multiplications": operations(ready(name))}
