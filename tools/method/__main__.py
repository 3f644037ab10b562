"""python -m tools.method [NAME …]: draw docs/figures/method-NAME, or all of them (make docs does).

The same clip, weights and machine give the same files. What a figure says in numbers is measured when it is drawn.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import torch

from tools.method import answers, blocks, overview
from tools.method.drawing import STYLE

OUT = Path(__file__).resolve().parents[2] / "docs" / "figures"
DPI = 130
FIGURES = {
    "flow.svg": overview.flow,
    "pieces.png": overview.pieces,
    "attention.png": overview.attention,
    "folding.png": blocks.folding,
    "rfam.png": blocks.rfam,
    "focal.png": blocks.focal,
    "queries.png": answers.queries,
    "fusion.svg": answers.fusion,
}


def main(names: list[str]) -> None:
    torch.set_num_threads(1)
    for name, draw in FIGURES.items():
        if not names or name.partition(".")[0] in names:
            unsaid = {"Date": None} if name.endswith(".svg") else {"Software": None}
            with matplotlib.rc_context(STYLE):
                draw().savefig(OUT / f"method-{name}", dpi=DPI, metadata=unsaid)


if __name__ == "__main__":
    if strangers := set(sys.argv[1:]) - {name.partition(".")[0] for name in FIGURES}:
        raise SystemExit(f"There is no figure {', '.join(sorted(strangers))}; known: {', '.join(FIGURES)}.")
    main(sys.argv[1:])
