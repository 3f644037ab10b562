"""RFAM and focal modulation: V2EM's scheme with a residual-free face trunk and a modulating voice trunk.

Jia, Tan, Qi, Lin 2024, "A More Efficient Inference Model for Multimodal Emotion Recognition". Reported: .73 M
parameters for the face trunk, and 49.89 M for the voice trunk, which is FocalNet-S (small receptive field) on three
channels with a 1000-class head. Chosen: the widths of the face trunk (739,456 parameters in training form); a voice
trunk without the head that no emotion needs, on the piece as one picture (1, 128, 32), which leaves all but its first
convolution as reported (49,119,144) and 4×1 cells at its end, where four channels of 32×32 would leave a single one.
"""

from __future__ import annotations

from fv2es.emotions import MOSEI
from fv2es.models.blocks.focal import FocalConfig, FocalNet
from fv2es.models.blocks.nested import NestedConfig, NestedTransformer
from fv2es.models.blocks.repvgg import RepVGG, RepVGGConfig
from fv2es.models.blocks.rfam import RFAM, RFAMConfig
from fv2es.models.family import compact_size, paper_size
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.registry import register_model

FACE_MAP, VOICE_MAP = 256 * 3 * 3, 768 * 4 * 1  # numbers behind the two trunks

COMPACT_FACES = RFAMConfig(
    in_channels=1,
    stem_width=32,
    stem_kernel=3,
    stages=((32, 32), (64, 64), (128, 128), (256,)),
    halve_by="stride",
)
COMPACT_VOICE = FocalConfig(patch=2, widths=(32, 64, 128), depths=(2, 2, 4), drop_path=0.1)


@register_model
def rfam_focal(emotions: tuple[str, ...] = MOSEI) -> MultimodalModel:
    """The paper's size."""
    return paper_size(RFAM(RFAMConfig()), FACE_MAP, FocalNet(FocalConfig()), VOICE_MAP, emotions)


@register_model
def rfam_focal_v(emotions: tuple[str, ...] = MOSEI) -> MultimodalModel:
    """The ablation V(RFAM)+A(V2EM): the face trunk alone is new."""
    return paper_size(RFAM(RFAMConfig()), FACE_MAP, NestedTransformer(NestedConfig()), 512 * 8 * 8, emotions)


@register_model
def rfam_focal_a(emotions: tuple[str, ...] = MOSEI) -> MultimodalModel:
    """The ablation V(V2EM)+A(focal modulation): the voice trunk alone is new."""
    return paper_size(RepVGG(RepVGGConfig()), 512 * 3 * 3, FocalNet(FocalConfig()), VOICE_MAP, emotions)


@register_model
def rfam_focal_compact(emotions: tuple[str, ...] = MOSEI) -> MultimodalModel:
    """The same blocks, narrower, in the compact size of the family; patches of 2×2 keep a map of 16×4 cells."""
    return compact_size(
        RFAM(COMPACT_FACES), COMPACT_FACES.width, FocalNet(COMPACT_VOICE), COMPACT_VOICE.widths[-1], emotions
    )
