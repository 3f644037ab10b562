"""The standing text of the page."""

from __future__ import annotations

from collections.abc import Sequence

from fv2es.emotions import COLOURS, MOSEI
from fv2es.hub import Checkpoint
from fv2es.ui.models import Offer, title
from fv2es.views.markup import escape, sentence_list

_BARS = (14, 9, 11, 30, 18, 22)  # heights in the mark: a small chart, its threshold dotted across it


def _mark() -> str:
    bars = "".join(
        f'<rect x="{4 + 7 * place}" y="{38 - height}" width="5" height="{height}" rx="1.5" fill="{COLOURS[name]}"/>'
        for place, (name, height) in enumerate(zip(MOSEI, _BARS, strict=True))
    )
    line = (
        '<path d="M2 22h44" stroke="currentColor" stroke-width="1.6" stroke-dasharray=".1 3.6" stroke-linecap="round"/>'
    )
    return f'<svg class="fv-mark" viewBox="0 0 48 42" aria-hidden="true">{bars}{line}</svg>'


HEAD = f"""
<header class="fv-head">
 {_mark()}
 <div>
  <h1>FV2ES</h1>
  <p>What face, voice and words express in a video, utterance by utterance.</p>
 </div>
</header>
<aside class="fv-consent" aria-label="Before you use this">
 <p><b>Expressed, not felt.</b> This estimates the emotion that observers would see and hear in a clip. It does not know
 what anybody feels, and it is often wrong. Use it on yourself or with the consent of the person who is seen, and not to
 judge people at work or at school. Uploads are deleted after about an hour.</p>
</aside>
"""

ABOUT = """
<footer class="fv-about">
 <p>After Wei, Huang and Zhang, <a href="https://arxiv.org/abs/2209.10170">FV2ES</a> (2022), and Dai, Cahyawijaya, Liu
 and Fung, <a href="https://arxiv.org/abs/2103.09666">FE2E</a> (2021). {models} Programs call the endpoint
 <code>analyze</code>.</p>
</footer>
"""
ONE = "The model that runs here is {}; its card says what it was trained on and how well it does."
SEVERAL = "The models that run here are {}; their cards say what they were trained on and how well they do."


def about(offers: Sequence[Offer]) -> str:
    """The foot of the page, which names the models."""
    names = [f"<b>{escape(one.title)}</b>" for one in offers]
    models = (ONE if len(names) == 1 else SEVERAL).format(sentence_list(names)) if names else ""
    return ABOUT.format(models=models)


def about_model(offer: Offer) -> str:
    """What a model is, below its name among the options."""
    return f'<p class="fv-about-model">{escape(offer.about)}</p>' if offer.about else ""


def made_by(checkpoint: Checkpoint) -> str:
    """Which weights a result comes from, so that it is clear after another model has been chosen."""
    identity = checkpoint.identity
    more = [f"version {identity['version']}"] if "version" in identity else []
    more.append(f"weights {identity['sha256'][:12]}…")
    return f'<p class="fv-made-by">Read by <b>{escape(title(checkpoint))}</b>, {escape(", ".join(more))}</p>'


def no_attention(checkpoint: Checkpoint) -> str:
    """In place of the maps."""
    return (
        f'<p class="fv-missing">{escape(title(checkpoint))} has no nested attention in its voice network, so there is '
        "nothing to show here.</p>"
    )
