"""Spoken sentences: espeak-ng's synthetic voice, in a small room that is never quite silent."""

from __future__ import annotations

import io
import subprocess
import wave
from dataclasses import dataclass
from html import escape

import numpy as np

Array = np.ndarray
RATE = 22_050  # hertz, as espeak-ng speaks
FLOOR = 0.0012  # root mean square of the room's own noise (−58 dB)


@dataclass(frozen=True)
class Tone:
    """How a sentence is said. pitch, speed, spread: espeak-ng's 0–99, words a minute, % of its usual pitch range."""

    pitch: int = 50
    speed: int = 165
    spread: int = 100
    loudness: float = 0.10  # root mean square
    edge: float = 0.0  # how much of the highs is added: tension
    gap: int = 0  # between words, 10 ms each


TONES = {
    "neutral": Tone(),
    "happy": Tone(pitch=68, speed=178, spread=190, loudness=0.13, edge=0.3),
    "sad": Tone(pitch=32, speed=122, spread=45, loudness=0.06, gap=3),
    "anger": Tone(pitch=58, speed=192, spread=170, loudness=0.19, edge=1.0),
    "fear": Tone(pitch=92, speed=188, spread=110, loudness=0.085, edge=0.4, gap=1),
    "disgust": Tone(pitch=30, speed=128, spread=150, loudness=0.12, edge=0.6, gap=1),
    "surprise": Tone(pitch=76, speed=170, spread=230, loudness=0.14, edge=0.3),
}


def say(text: str, voice: str, tone: Tone) -> Array:
    """(n,) float32 at RATE without silence at either end. Raises FileNotFoundError where espeak-ng is not installed."""
    speech = f'<speak><prosody range="{tone.spread}%">{escape(text)}</prosody></speak>'
    command = ["espeak-ng", "-m", "-v", voice, "-p", str(tone.pitch), "-s", str(tone.speed), "-g", str(tone.gap)]
    spoken = subprocess.run([*command, "--stdout", speech], check=True, capture_output=True).stdout
    with wave.open(io.BytesIO(spoken)) as file:
        assert file.getframerate() == RATE
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
    samples += tone.edge * np.diff(samples, prepend=0)
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    samples = samples[loud[0] : loud[-1] + 1]
    return samples * (tone.loudness / np.sqrt(np.mean(samples**2)))


def room(dry: Array, rng: np.random.Generator) -> Array:
    """A little reverberation (0.25 s) and a soft, brownish hiss; peaks are rounded off."""
    length = int(0.25 * RATE)
    tail = rng.standard_normal(length) * np.exp(-np.arange(length) / (0.045 * RATE))
    tail[: int(0.008 * RATE)] = 0
    tail *= 0.22 / np.sqrt((tail**2).sum())
    tail[0] = 1
    size = 1 << (len(dry) + length).bit_length()
    wet = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(tail, size), size)[: len(dry)]
    spectrum = np.fft.rfft(rng.standard_normal(len(dry)))
    spectrum /= np.sqrt(1 + (np.fft.rfftfreq(len(dry), 1 / RATE) / 300) ** 2)
    hiss = np.fft.irfft(spectrum, len(dry))
    return np.tanh(wet + hiss * (FLOOR / hiss.std())).astype(np.float32)


def openness(sound: Array, fps: int, frames: int) -> tuple[Array, Array]:
    """From the waveform, per frame: how open the mouth is (0–1) and how bright the sound (0–1: rounded to spread)."""
    at = (np.arange(frames) * RATE / fps).astype(int)
    window = np.hanning(int(0.06 * RATE) | 1)
    window /= window.sum()
    energy = np.convolve(sound**2, window, "same")
    highs = np.convolve(np.diff(sound, prepend=0) ** 2, window, "same")
    loudness = np.sqrt(energy)
    reference = np.convolve(loudness, np.ones(RATE) / RATE, "same") + 0.01
    opened = np.clip((loudness - 4 * FLOOR) / (2.6 * reference), 0, 1)
    bright = np.clip(np.sqrt(highs / (energy + 1e-8)) * 1.6, 0, 1)
    last = len(sound) - 1
    return opened[np.minimum(at, last)], bright[np.minimum(at, last)]
