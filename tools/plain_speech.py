"""Make a folder of plain speech for the voice's training out of prompts and letters that Debian ships.

python tools/plain_speech.py TREE OUT

TREE: a folder into which the packages asterisk-core-sounds-{en,es,fr,it,ru}-g722 (telephone prompts, four speakers,
CC BY-SA 3.0) and klettres-data (letters read out in many languages, GPL-2) were unpacked with `dpkg -x`. OUT gets
16 kHz FLAC files and an index.tsv like that of the corpora of acted speech, every label neutral: people who read out
and mean nothing by it. Speakers whose names are in VALID are kept for validation.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

RATE = 16_000
PROMPTS = {
    "en_US_f_Allison": "allison",
    "es_MX_f_Allison": "allison",
    "fr_CA_f_June": "june",
    "it_IT_m_Carlo": "carlo",
    "ru_RU_f_IvrvoiceRU": "ivrvoice",
}
VALID = {"ivrvoice", "letters-en_GB", "letters-de", "letters-cs", "letters-pt_BR", "letters-nl"}
SECONDS = 1.3, 8.0  # of a prompt
MOST, READINGS = 90, 12  # prompts of a folder, rows of letters of a speaker


def main(tree: Path, out: Path) -> None:
    rows = []
    for number, (speaker, sound) in enumerate((*prompts(tree), *letters(tree))):
        file = f"{speaker}-{number:04}.flac"
        out.mkdir(parents=True, exist_ok=True)
        write(out / file, sound)
        rows.append((file, "neutral", f"plain-{speaker}", "valid" if speaker in VALID else "train"))
    with (out / "index.tsv").open("w", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines, delimiter="\t", quoting=csv.QUOTE_NONE, lineterminator="\n")
        table.writerow(("file", "label", "speaker", "split"))
        table.writerows(rows)


def prompts(tree: Path) -> Iterator[tuple[str, np.ndarray]]:
    """As they are: speaker and sound."""
    for folder, speaker in PROMPTS.items():
        files = sorted((tree / "usr/share/asterisk/sounds" / folder).rglob("*.g722"))
        sounds = [sound for sound in map(read, files) if SECONDS[0] * RATE <= len(sound) <= SECONDS[1] * RATE]
        if not sounds:
            raise SystemExit(f"There are no prompts of {speaker} below {tree}: all packages need to be unpacked there.")
        for place in np.linspace(0, len(sounds) - 1, MOST).astype(int):
            yield speaker, sounds[place]


def letters(tree: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Three to six letters in a row, a little pause between: speaker and sound."""
    rng = np.random.default_rng(0)
    for folder in sorted((tree / "usr/share/klettres").glob("*/alpha")):
        sounds = [trimmed(read(file)) for file in sorted(folder.glob("*.ogg"))]
        sounds = [sound for sound in sounds if 0.1 * RATE < len(sound) < 2 * RATE]
        if len(sounds) < 10:
            continue
        for _ in range(READINGS):
            some = [sounds[one] for one in rng.choice(len(sounds), rng.integers(3, 7), replace=False)]
            pauses = [np.zeros(int(RATE * rng.uniform(0.02, 0.25)), np.float32) for _ in some]
            yield (
                f"letters-{folder.parent.name}",
                np.concatenate([part for pair in zip(some, pauses, strict=True) for part in pair]),
            )


def read(file: Path) -> np.ndarray:
    with av.open(str(file)) as container:
        resampler = av.AudioResampler("flt", "mono", RATE)
        blocks = [b for frame in container.decode(audio=0) for b in resampler.resample(frame)]
        blocks += resampler.resample(None)
    return np.concatenate([np.zeros(0, np.float32), *(block.to_ndarray()[0] for block in blocks)])


def trimmed(sound: np.ndarray) -> np.ndarray:
    """Without the silence around."""
    loud = np.flatnonzero(np.abs(sound) > 0.03 * np.abs(sound).max(initial=1e-6))
    return sound[max(0, loud[0] - 400) : loud[-1] + 800] if len(loud) else sound[:0]


def write(file: Path, sound: np.ndarray) -> None:
    with av.open(str(file), "w") as container:
        stream = container.add_stream("flac", rate=RATE, layout="mono")
        samples = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        for one in (frame, None):
            container.mux(stream.encode(one))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    main(asked.tree, asked.out)
