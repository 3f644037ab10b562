"""FE2E, the baseline of all the papers, in its own size and in a compact one.

Dai, Cahyawijaya, Liu, Fung 2021, "Multimodal End-to-End Sparse Model for Emotion Recognition" (arXiv 2103.09666),
the fully end-to-end model without sparsity. Deviation: a missing face is masked rather than replaced by the frame's
centre.
"""

from __future__ import annotations

from fv2es.emotions import MOSEI
from fv2es.models.blocks.vgg import face_vgg, vgg, voice_vgg
from fv2es.models.family import compact_size, paper_size
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.registry import register_model

COMPACT_FACES = ((24, 48), (96,), (192,))
COMPACT_VOICE = ((16, 32), (64,), (128,))


@register_model
def fe2e(emotions: tuple[str, ...] = MOSEI) -> MultimodalModel:
    """The paper's size: 10,713,734 visual, 14,380,550 acoustic, 11,688,198 textual parameters."""
    return paper_size(face_vgg(), 512 * 3 * 3, voice_vgg(), 512 * 8 * 2, emotions)


@register_model
def fe2e_compact(emotions: tuple[str, ...] = MOSEI) -> MultimodalModel:
    """The same blocks, narrower (see `family`)."""
    faces = vgg(1, COMPACT_FACES[0][0], COMPACT_FACES)
    return compact_size(
        faces, COMPACT_FACES[-1][-1], voice_vgg(COMPACT_VOICE[0][0], COMPACT_VOICE), COMPACT_VOICE[-1][-1], emotions
    )
