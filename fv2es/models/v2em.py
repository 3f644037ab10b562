"""V2EM, the model of the FV2ES system, in the paper's size and in the compact size that ships, and its two ablations.

Wei, Huang, Zhang 2022, "FV2ES: A Fully End2End Multimodal System for Fast Yet Effective Video Emotion Recognition
Inference" (arXiv 2209.10170). Sizes follow the published reference code. Deviations: the reference's unused
1000-class head of the acoustic trunk is left out; a missing face is masked rather than replaced by the frame's
centre; the blocks are folded once, after training.
"""

from __future__ import annotations

from fv2es.emotions import MOSEI
from fv2es.models.blocks.nested import NestedConfig, NestedTransformer
from fv2es.models.blocks.repvgg import RepVGG, RepVGGConfig
from fv2es.models.blocks.vgg import face_vgg, voice_vgg
from fv2es.models.family import compact_size, paper_size
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.registry import register_model

FACE_MAP, VOICE_MAP = 512 * 3 * 3, 512 * 8 * 8  # numbers behind RepVGG and the nested transformer

COMPACT_FACES = RepVGGConfig(
    in_channels=1,
    stem_width=32,
    stem_kernel=3,
    stages=((32, 32), (64, 64, 64), (160, 160, 160, 160), (320,)),
    halve_by="stride",
)
COMPACT_VOICE = NestedConfig(widths=(32, 64, 128), heads=(2, 4, 8), depths=(1, 1, 2), drop_path=0.1)


@register_model
def v2em(emotions: tuple[str, ...] = MOSEI) -> MultimodalModel:
    """The paper's size: 7,721,862 visual, 101,481,862 acoustic, 11,688,198 textual parameters (training form)."""
    return paper_size(RepVGG(RepVGGConfig()), FACE_MAP, NestedTransformer(NestedConfig()), VOICE_MAP, emotions)


@register_model
def v2em_vgg_face(emotions: tuple[str, ...] = MOSEI) -> MultimodalModel:
    """The ablation V(VGG)+A(V2EM) (Wei et al., Table V): FE2E's faces."""
    return paper_size(face_vgg(), FACE_MAP, NestedTransformer(NestedConfig()), VOICE_MAP, emotions)


@register_model
def v2em_vgg_voice(emotions: tuple[str, ...] = MOSEI) -> MultimodalModel:
    """The ablation V(V2EM)+A(VGG): FE2E's voice."""
    return paper_size(RepVGG(RepVGGConfig()), FACE_MAP, voice_vgg(), 512 * 8 * 2, emotions)


@register_model
def v2em_compact(emotions: tuple[str, ...] = MOSEI) -> MultimodalModel:
    """The shipped size: the same blocks, narrower (see `family`)."""
    return compact_size(
        RepVGG(COMPACT_FACES), COMPACT_FACES.width, NestedTransformer(COMPACT_VOICE), COMPACT_VOICE.widths[-1], emotions
    )
