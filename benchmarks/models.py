"""Size, operations and speed of every model, side by side in one run: `python -m benchmarks.models [NAME …]`.

An utterance is 5 faces, 4 s of sound (10 pieces) and 20 tokens; weights are random, blocks folded, batches of 8. The
models take turns within each repeat, so that whatever else the machine does falls on all of them; the median and the
range are scaled to 100 utterances, and the ratio is to the baseline FE2E (Wei et al., Tables II–III; Jia et al., 1–4).
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fv2es.models.blocks.repvgg import fold
from fv2es.models.inputs import Batch
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.registry import create_model, list_models
from fv2es.schema import MODALITIES, SAMPLE_RATE

BASELINE = "fe2e"
FACES, PIECES, TOKENS, SAMPLES = 5, 10, 20, 4 * SAMPLE_RATE
LEAST_ID, MOST_ID = 4, 60  # token ids that every vocabulary has


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(list_models())}")
    options.add_argument("--batch", type=int, default=8)
    options.add_argument("--repeats", type=int, default=3)
    args = options.parse_args()
    names = list(dict.fromkeys([BASELINE, *(args.names or list_models())]))
    models = {name: fold(create_model(name).eval().requires_grad_(False)) for name in names}
    batches = {name: random_batch(model, args.batch) for name, model in models.items()}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    with torch.inference_mode():
        for repeat in range(args.repeats + 1):
            for name, model in models.items():
                start = time.perf_counter()
                model(batches[name])
                if repeat:  # the first warms
                    seconds[name].append((time.perf_counter() - start) * 100 / args.batch)
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    print(f"{machine}, {args.repeats} repeats, batch {args.batch}\n")
    report(models, seconds)


def report(models: dict[str, MultimodalModel], seconds: dict[str, list[float]]) -> None:
    columns = [*(f"{name}, M" for name in MODALITIES), "all, M", "GMAC/utterance", "s/100", "range", f"÷ {BASELINE}"]
    print(f"| model | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    baseline = statistics.median(seconds[BASELINE])
    for name, model in models.items():
        with torch.device("meta"):
            counts = create_model(name).parameter_counts()  # the training form, as the papers count
        median = statistics.median(seconds[name])
        sizes = [counts[part] / 1e6 for part in MODALITIES] + [sum(counts.values()) / 1e6]
        cells = [f"{size:.2f}" for size in sizes] + [f"{operations(model) / 1e9:.2f}", f"{median:.2f}"]
        cells += [f"{min(seconds[name]):.2f}–{max(seconds[name]):.2f}", f"{median / baseline:.2f}"]
        print(f"| {name} | {' | '.join(cells)} |")


def operations(model: MultimodalModel) -> int:
    """Multiplications of one utterance, nothing fused, so that every product of matrices is counted."""
    counter = FlopCounterMode(display=False)
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), counter:
            model(random_batch(model, 1))
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return counter.get_total_flops() // 2


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


if __name__ == "__main__":
    main()
