"""Where a model looks: in the manner of Fig. 6 of Wei et al. (2022), and over the time of the whole utterance.

Nested attention has levels of blocks (level 1: 16, level 2: four, level 3: one), focal modulation has levels without
blocks, and emotion queries look at words, faces and pieces of the voice. A model may have more than one of these.
"""

from fv2es.views.attention.card import Choices, attention_card, attention_choices
from fv2es.views.attention.figure import attention_figure, attention_png
from fv2es.views.attention.maps import is_watched

__all__ = ["Choices", "attention_card", "attention_choices", "attention_figure", "attention_png", "is_watched"]
