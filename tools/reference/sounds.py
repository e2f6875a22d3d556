#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Short sounds of every kind, resampled sound, and what Whisper's encoder takes.

    python3 tools/reference/sounds.py tests/data/media

sounds/sounds.json says which samples libsndfile reads out of each file (the mean of its channels); sounds/resampled_RATE.f32
is a sound at that rate (tests/media/sound_test.cpp makes it) at 16 kHz by soxr's VHQ; log_mel.json has columns of what
transformers' WhisperFeatureExtractor makes.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import soundfile
import soxr
from transformers import WhisperFeatureExtractor

RATE = 16000
RATES = (8000, 11025, 22050, 24000, 32000, 44100, 48000, 96000)
WAVS = {
    "u8": ("WAV", "PCM_U8"), "pcm16": ("WAV", "PCM_16"), "pcm24": ("WAV", "PCM_24"), "pcm32": ("WAV", "PCM_32"),
    "float": ("WAV", "FLOAT"), "double": ("WAV", "DOUBLE"), "alaw": ("WAV", "ALAW"), "ulaw": ("WAV", "ULAW"),
    "extensible24": ("WAVEX", "PCM_24"), "extensible_float": ("WAVEX", "FLOAT"), "rf64": ("RF64", "PCM_16"),
}  # fmt: skip
MEL_CASES = [
    (80, 1, 0.7, 2),
    (128, 1, 1.0, 5),
    (80, 30, 3.3, 100),
]  # bands, seconds of window and sound, every nth column


def two_tones(count, rate=RATE):
    t = np.arange(count) / rate
    return np.stack([0.6 * np.sin(2 * np.pi * 440 * t), 0.3 * np.cos(2 * np.pi * 1111 * t)], axis=1)


def burst(rate):
    """0.2 s of four tones, all of which any rate here can carry, fading in and out."""
    count = round(0.2 * rate)
    t = np.arange(count) / rate
    tones = [220.0, 1000.0, 2500.0, 0.4 * min(rate, RATE)]
    fade = np.sin(np.pi * np.arange(count) / count) ** 2
    return (fade * sum(0.2 * np.sin(2 * np.pi * f * t + f) for f in tones)).astype(np.float32)


def chirp(seconds):
    """A rising tone that fades, and some noise (tests/media/log_mel_test.cpp makes the same)."""
    i = np.arange(round(seconds * RATE))
    t = i / RATE
    h = i.astype(np.uint32) * np.uint32(2654435761) + np.uint32(12345)
    h ^= h >> np.uint32(15)
    noise = (h & np.uint32(0xFFFF)).astype(np.float64) / 65536 - 0.5
    return (0.5 * np.exp(-t) * np.sin(2 * np.pi * (200 * t + 1500 * t * t)) + 0.01 * noise).astype(np.float32)


def write_sounds(folder):
    entries = []

    def describe(name, tolerance):
        samples, rate = soundfile.read(folder / name, always_2d=True)
        values = [float(f"{value:.9g}") for value in samples.mean(axis=1)]
        entries.append(dict(file=name, rate=rate, tolerance=tolerance, samples=values))

    for name, (kind, coding) in WAVS.items():
        soundfile.write(folder / f"{name}.wav", two_tones(61), RATE, subtype=coding, format=kind)
        describe(f"{name}.wav", 1e-6)
    for name, coding in (("flac16", "PCM_16"), ("flac24", "PCM_24")):
        soundfile.write(folder / f"{name}.flac", two_tones(300), RATE, subtype=coding, format="FLAC")
        describe(f"{name}.flac", 1e-6)
    soundfile.write(folder / "tones.mp3", two_tones(3000)[:, 0], RATE, format="MP3")
    describe("tones.mp3", 2e-4)
    return entries


def mel_cases():
    cases = []
    for bands, window, seconds, step in MEL_CASES:
        extractor = WhisperFeatureExtractor(feature_size=bands, chunk_length=window)
        samples = chirp(seconds)
        padded = np.pad(samples, (0, window * RATE - len(samples)))
        features = np.asarray(extractor._np_extract_fbank_features(padded[None], "cpu"))[0][:, ::step]
        values = [float(f"{value:.5f}") for value in features.flatten()]
        cases.append(dict(bands=bands, frames=window * 100, seconds=seconds, step=step, values=values))
    return cases


def write(path, cases):
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{path}: {len(cases)} cases, {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    sounds = folder / "sounds"
    sounds.mkdir(parents=True, exist_ok=True)
    write(sounds / "sounds.json", write_sounds(sounds))
    for rate in RATES:
        resampled = soxr.resample(burst(rate), rate, RATE, quality="VHQ")
        resampled.astype("<f4").tofile(sounds / f"resampled_{rate}.f32")
    write(folder / "log_mel.json", mel_cases())


if __name__ == "__main__":
    main()
