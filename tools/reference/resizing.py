#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures resized by Pillow 11.3.0 and cut into tiles with torch.

    python3 tools/reference/resizing.py tests/data/media

resize.json has check sums (CRC-32) of resized noise, preprocess.json the values that a vision encoder takes. Pillow 13 runs
its passes in another order, so the version matters.
"""

import argparse
import json
import math
import zlib
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image

FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
SIZES = [
    ((1, 1), (1, 1)), ((1, 1), (7, 5)), ((1, 37), (12, 12)), ((37, 1), (12, 12)), ((5000, 3), (768, 384)),
    ((3, 5000), (384, 768)), ((2, 3), (200, 300)), ((64, 48), (64, 48)), ((64, 48), (64, 20)), ((64, 48), (30, 48)),
    ((64, 48), (128, 48)), ((64, 48), (64, 96)), ((64, 48), (32, 24)), ((65, 47), (33, 24)), ((100, 100), (99, 101)),
    ((100, 100), (101, 99)), ((640, 480), (384, 384)), ((480, 640), (768, 768)), ((333, 777), (768, 384)),
    ((777, 333), (384, 768)), ((1000, 10), (10, 1000)), ((10, 1000), (1000, 10)), ((1023, 769), (768, 768)),
    ((1920, 1080), (768, 768)), ((257, 255), (48, 48)), ((31, 29), (1, 1)), ((400, 2), (3, 9)), ((2, 400), (9, 3)),
    ((767, 767), (768, 768)), ((769, 769), (768, 768)),
]  # fmt: skip
TILED = [(13, 9), (9, 13), (11, 11), (40, 3), (1, 30), (16, 8), (100, 52)]
TILE, MAX_SIDE = 8, 16


def noise(width, height):
    """The same bytes as tests/media/noise.h makes."""
    h = np.arange(width * height * 3, dtype=np.uint32)
    h = h * np.uint32(2654435761) + np.uint32(12345)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    return (h & np.uint32(255)).astype(np.uint8).reshape(height, width, 3)


def resized():
    cases = []
    for size, to in SIZES:
        for name, resample in FILTERS.items():
            pixels = np.asarray(Image.fromarray(noise(*size)).resize(to, resample))
            cases.append(dict(size=size, to=to, filter=name, crc32=zlib.crc32(pixels.tobytes())))
    return cases


def tiles(width, height):
    """The long side to MAX_SIDE, the short one to the next multiple of TILE; the whole picture first."""
    scale = MAX_SIDE / max(width, height)
    to = [math.ceil(side * scale / TILE - 1e-9) * TILE for side in (width, height)]
    image = Image.fromarray(noise(width, height)).resize(to, Image.BICUBIC)
    values = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    cut = [values[:, y : y + TILE, x : x + TILE] for y in range(0, to[1], TILE) for x in range(0, to[0], TILE)]
    if len(cut) > 1:
        whole = torch.nn.functional.interpolate(values[None], (TILE, TILE), mode="bilinear", antialias=True)
        cut.insert(0, whole[0])
    return torch.stack(cut)


def square(width, height):
    image = Image.fromarray(noise(width, height)).resize((TILE, TILE), Image.BILINEAR)
    values = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    mean, deviation = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.5, 0.25, 0.2])
    return ((values - mean[:, None, None]) / deviation[:, None, None])[None]


def preprocessed():
    cases = []
    for size in TILED:
        for mode, values in (("tiles", tiles(*size)), ("square", square(*size))):
            flat = [float(f"{value:.8g}") for value in values.flatten().tolist()]
            cases.append(dict(size=size, mode=mode, tiles=len(values), values=flat))
    return cases


def write(path, cases):
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{path}: {len(cases)} cases, {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    assert PIL.__version__ == "11.3.0", PIL.__version__
    write(folder / "resize.json", resized())
    write(folder / "preprocess.json", preprocessed())


if __name__ == "__main__":
    main()
