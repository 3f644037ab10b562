"""What face, voice and words each say alone, how much each counts, and what changes when one is left out."""

from __future__ import annotations

from collections.abc import Mapping

from fv2es.schema import FACE, MODALITIES, VOICE, WORDS, Reading, Transcript
from fv2es.views.markup import escape, sentence_list
from fv2es.views.small import TITLES, UNSEEN, answer, differences, largest_change, signed, small_chart
from fv2es.views.words import Say, english

MISSING = {
    FACE: "There is no face here; nothing was filled in for it.",
    VOICE: "There is no voice here; nothing was filled in for it.",
    WORDS: "There are no words here; nothing was filled in for them.",
}
ALONE = {
    FACE: "The face is alone here, so what it says is the answer.",
    VOICE: "The voice is alone here, so what it says is the answer.",
    WORDS: "The words are alone here, so what they say is the answer.",
}
WITHOUT = {FACE: "Without the face", VOICE: "Without the voice", WORDS: "Without the words"}
SHARED = "What is missing counts nothing, and its weight is shared among the others."
IN_DOUBT = "It is {share} % sure that the words were said. As far as it is not, the answer is the one without them."
NOTHING_TO_LEAVE_OUT = "One modality is alone here, so there is nothing to leave out."
LEARNT = (
    "This model learns inside its network how to put face, voice and words together. No weights are set beforehand; "
    "what each adds is seen when it is left out."
)


def modalities_card(
    reading: Reading,
    weights: Mapping[str, float] | None,
    without: Mapping[str, Reading] | None = None,
    say: Say = english,
) -> str:
    """The three side by side, then the weights, then the table of what changes.

    weights: how much each modality that is there counts (`Reader.weights_in_force`), None where that is learnt inside
    the network. without: modality → what the others say without it (`again.leave_one_out`); None where there is no
    model to be asked: then nothing is said of weights either.
    """
    charts = "".join(_alone(reading, name, say) for name in MODALITIES)
    asked = "" if without is None else _asked(reading, weights, without, say)
    return (
        f'<div class="fv-card fv-modalities"><h3>{say("What each says alone")}</h3>'
        f'<div class="fv-three">{charts}</div>{asked}</div>'
    )


def change_cell(difference: float) -> str:
    """A signed number in a table; its colour says nothing that the sign does not."""
    kind = "" if abs(difference) < UNSEEN else ' class="fv-up"' if difference > 0 else ' class="fv-down"'
    return f"<td{kind}>{signed(difference)}</td>"


def _asked(reading: Reading, weights: Mapping[str, float] | None, without: Mapping[str, Reading], say: Say) -> str:
    """What only the model can tell."""
    return (
        f"<h3>{say('How much each counts')}</h3>{_weights(reading, weights, say)}"
        f"<h3>{say('When one is left out')}</h3>{_left_out(reading, without, say)}"
    )


def _alone(reading: Reading, name: str, say: Say) -> str:
    title, values = say(TITLES[name]), reading.modalities.get(name)
    if values is None:
        return (
            f'<section class="fv-small"><header><h4>{title}</h4></header>'
            f'<p class="fv-missing">{say(MISSING[name])}</p></section>'
        )
    return small_chart(title, reading.emotions, values, reading.thresholds, say=say)


def _weights(reading: Reading, weights: Mapping[str, float] | None, say: Say) -> str:
    present = [name for name in MODALITIES if reading.modalities.get(name) is not None]
    if len(present) == 1:
        return f"<p>{say(ALONE[present[0]])}</p>"
    doubt = _doubt(reading.utterance.transcript, say)
    if weights is None:
        return f"<p>{say(LEARNT)}{doubt}</p>"
    shares = sentence_list([f"{say(TITLES[name])} {weights[name]:.2f}" for name in present], say)
    rest = f" {say(SHARED)}" if len(present) < len(MODALITIES) else ""
    return f"{_bar(weights, say)}<p>{say('In force here: {weights}.').format(weights=shares)}{rest}{doubt}</p>"


def _doubt(transcript: Transcript, say: Say) -> str:
    """What else is to be said where words may have been misheard."""
    if not transcript.in_doubt:
        return ""
    return " " + say(IN_DOUBT).format(share=round(100 * transcript.confidence))


def _bar(weights: Mapping[str, float], say: Say) -> str:
    """One bar cut in shares; weights below zero, which training may give, have no length, and there is no bar."""
    whole = sum(weights.values())
    if whole <= 0 or min(weights.values()) < 0:
        return ""
    parts = "".join(
        f'<span class="fv-share fv-share-{name}" style="--value:{weight / whole:.4f}">{say(TITLES[name])}</span>'
        for name, weight in weights.items()
    )
    return f'<div class="fv-shares fv-named" aria-hidden="true">{parts}</div>'


def _left_out(reading: Reading, without: Mapping[str, Reading], say: Say) -> str:
    if not without:
        return f"<p>{say(NOTHING_TO_LEAVE_OUT)}</p>"
    rows = "".join(
        f"<dt>{say(WITHOUT[name])}</dt>"
        f"<dd>{answer(one, say)} <small>{escape(largest_change(reading, one, say))}</small></dd>"
        for name, one in without.items()
    )
    return (
        f'<dl class="fv-changes"><dt>{say("All together")}</dt><dd>{answer(reading, say)}</dd>{rows}</dl>'
        f"{_table(reading, without, say)}"
    )


def _table(reading: Reading, without: Mapping[str, Reading], say: Say) -> str:
    """Emotions down, what is left out across, so that it fits a phone."""
    heads = "".join(f'<th scope="col">{say(WITHOUT[name])}</th>' for name in without)
    changes = [differences(reading, one) for one in without.values()]
    rows = "".join(
        f'<tr><th scope="row">{escape(say(emotion))}</th><td>{value:.2f}</td>'
        f"{''.join(change_cell(one[emotion]) for one in changes)}</tr>"
        for emotion, value in zip(reading.emotions, reading.probabilities, strict=True)
    )
    return (
        f'<div class="fv-scroll" tabindex="0" role="region" aria-label="{say("Changes of the probabilities")}">'
        f'<table class="fv-table"><thead><tr><th scope="col">{say("Emotion")}</th>'
        f'<th scope="col">{say("All together")}</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )
