#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small pictures of every kind, and their pixels as Pillow 11.3.0 reads them.

    python3 tools/reference/pictures.py tests/data/media/pictures

pictures.json says of each file which size and pixels (RGB, hexadecimal) it has and how far each value may be from that
where the kind is lossy or rounds.
"""

import argparse
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

WIDTH, HEIGHT = 13, 9
ORIENTATION = 0x0112
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def drawing():
    """Smooth, without symmetry, and with a hard edge."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    rgb = np.stack([x * 18 + 10, y * 26 + 5, (x + 2 * y) * 7], axis=-1).astype(np.uint8)
    rgb[2:5, 3:6] = [250, 20, 60]
    return rgb


def alpha():
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return ((x * 37 + y * 11) % 256).astype(np.uint8)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(pixels, depth, color, interlaced=False):
    """A PNG of kinds that Pillow does not write; pixels: height x width x channels."""
    height, width = pixels.shape[:2]
    wide = pixels.astype(">u2" if depth == 16 else np.uint8)
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    rows = b""
    for x, y, dx, dy in passes:
        for row in wide[y::dy, x::dx]:
            if row.size:
                rows += b"\0" + row.tobytes()
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def over_white(image):
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


class Pictures:
    def __init__(self, folder):
        self.folder = folder
        self.expected = []

    def add(self, name, tolerance=0, pixels=None):
        """Describes the file of that name, by Pillow unless its pixels are given."""
        if pixels is None:
            image = Image.open(self.folder / name)
            image.seek(0)
            pixels = np.asarray(over_white(ImageOps.exif_transpose(image)))
        height, width = pixels.shape[:2]
        self.expected.append(
            dict(file=name, width=width, height=height, tolerance=tolerance, rgb=pixels.tobytes().hex())
        )

    def save(self, name, image, tolerance=0, **options):
        image.save(self.folder / name, **options)
        self.add(name, tolerance)


def orientation(value):
    exif = Image.Exif()
    exif[ORIENTATION] = value
    return exif


def jpegs(out, rgb):
    image = Image.fromarray(rgb)
    # Decoders may round each step of theirs as they like (T.83); with colours at half size they also interpolate them.
    out.save("full.jpg", image, 4, quality=95, subsampling=0)
    out.save("half.jpg", image, 8, quality=90, subsampling=2)
    out.save("progressive.jpg", image, 4, quality=95, subsampling=0, progressive=True)
    out.save("grey.jpg", image.convert("L"), 4, quality=95)
    image.convert("CMYK").save(out.folder / "cmyk.jpg")  # to be refused
    for value in range(1, 9):
        out.save(f"exif{value}.jpg", image, 4, quality=95, subsampling=0, exif=orientation(value))


def pngs(out, rgb):
    image = Image.fromarray(rgb)
    rgba = np.dstack([rgb, alpha()])
    out.save("rgb.png", image)
    out.save("rgba.png", Image.fromarray(rgba), 1)
    out.save("grey.png", image.convert("L"))
    out.save("grey_alpha.png", Image.fromarray(rgba).convert("LA"), 1)
    out.save("bits.png", image.convert("1"))
    palette = image.quantize(16)
    out.save("palette.png", palette)
    out.save("palette_transparent.png", palette, transparency=3)
    deep = rgb.astype(np.uint16) * 256 + 77
    for name, content, pixels in [
        ("rgb16.png", png(deep, 16, 2), rgb),
        ("grey16.png", png(deep[..., :1], 16, 0), np.repeat(rgb[..., :1], 3, axis=2)),
        ("interlaced.png", png(rgb, 8, 2, interlaced=True), rgb),
    ]:
        (out.folder / name).write_bytes(content)
        out.add(name, pixels=pixels)
    for value in range(1, 9):
        out.save(f"exif{value}.png", image, exif=orientation(value))


def others(out, rgb):
    image = Image.fromarray(rgb)
    rgba = Image.fromarray(np.dstack([rgb, alpha()]))
    out.save("rgb.bmp", image)
    out.save("palette.bmp", image.quantize(16))
    out.save("rgb.ppm", image)
    out.save("grey.pgm", image.convert("L"))
    second = Image.fromarray(255 - rgb).quantize(16)
    out.save("animated.gif", image.quantize(16), save_all=True, append_images=[second])
    out.save("transparent.gif", image.quantize(16), transparency=2)
    # Two levels: the conversion from the colours of video may be rounded.
    out.save("lossy.webp", image, 2, quality=90)
    out.save("lossless.webp", image, lossless=True, exact=True)
    out.save("alpha.webp", rgba, 1, lossless=True, exact=True)
    out.save("animated.webp", image, save_all=True, append_images=[Image.fromarray(255 - rgb)], lossless=True)
    for value in (3, 6, 8):
        out.save(f"exif{value}.webp", image, lossless=True, exact=True, exif=orientation(value))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    out = Pictures(parser.parse_args().folder)
    out.folder.mkdir(parents=True, exist_ok=True)
    rgb = drawing()
    jpegs(out, rgb)
    pngs(out, rgb)
    others(out, rgb)
    lines = ",\n".join(json.dumps(entry) for entry in out.expected)
    (out.folder / "pictures.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{len(out.expected)} pictures")


if __name__ == "__main__":
    main()
