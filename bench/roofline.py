#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws what native_ratio_bench printed as a roofline: products a second over products a byte of weights read.

    native_ratio_bench MODEL 1 > one.txt; native_ratio_bench MODEL 2 > two.txt
    python3 bench/roofline.py one.txt two.txt > docs/roofline.svg

A text may have several runs one after the other. The slope is the bandwidth and the level what the kernels do from the cache,
both measured in the run. Weights are read once a pass: for all sequences of a step, for up to 128 tokens of a prefill.
"""

import math
import re
import sys
from pathlib import Path

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, PLOT = 760, 470, 70, 50, 60, 440
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#57606a")
TOKENS_A_PASS = 128


def runs_of(text):
    """A dictionary a run: model, threads, bandwidth, products from the cache, and a list of (what, tokens a pass, ours, peer)."""
    runs = []
    for line in text.splitlines():
        if head := re.match(r"(\S+), .*, (\d+) threads, medians", line):
            runs.append({"model": Path(head[1]).stem, "threads": int(head[2]), "speeds": []})
        elif speed := re.match(r"(prefill|decode) ?(\d*) +native +([\d.]+) +llama.cpp +([\d.]+)", line):
            count = int(speed[2] or 1)
            tokens = min(count, TOKENS_A_PASS)
            runs[-1]["speeds"].append((f"{speed[1]} {count}", tokens, float(speed[3]), float(speed[4])))
        elif read := re.match(r" +([\d.]+) MB a token.* of ([\d.]+) GB/s", line):
            runs[-1]["bytes"], runs[-1]["bandwidth"] = float(read[1]) * 1e6, float(read[2]) * 1e9
        elif made := re.match(r" +([\d.]+) million weights a token = .* of ([\d.]+) G products", line):
            runs[-1]["weights"], runs[-1]["peak"] = float(made[1]) * 1e6, float(made[2]) * 1e9
    return [run for run in runs if "peak" in run]


def draw(runs):
    most_x, least_x = 256.0, 0.5
    most_y = 2 * max(run["peak"] for run in runs)
    least_y = 0.3 * min(run["weights"] * min(speed[3] for speed in run["speeds"]) for run in runs)

    def x_of(value):
        return LEFT + PLOT * (math.log(value) - math.log(least_x)) / (math.log(most_x) - math.log(least_x))

    def y_of(value):
        share = (math.log(value) - math.log(least_y)) / (math.log(most_y) - math.log(least_y))
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    def text(x, y, what, more=""):
        return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{what}</text>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        text(LEFT, 24, "Products a second over products for each byte of weights that is read", 'font-size="15"'),
    ]
    x = 0.5
    while x <= most_x:
        parts.append(f'<path d="M{x_of(x):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        parts.append(text(x_of(x), HEIGHT - BOTTOM + 16, f"{x:g}", 'text-anchor="middle"'))
        x *= 2
    for power in range(6, 14):
        for step in (1, 2, 5):
            if least_y <= (y := step * 10.0**power) <= most_y:
                parts.append(f'<path d="M{LEFT} {y_of(y):.1f}H{LEFT + PLOT}" stroke="#ddd"/>')
                parts.append(text(LEFT - 6, y_of(y) + 4, f"{y / 1e9:g} G", 'text-anchor="end"'))
    parts.append(text(LEFT + PLOT / 2, HEIGHT - 18, "products a byte", 'text-anchor="middle"'))
    legend = TOP + 6
    for colour, run in zip(COLOURS, runs, strict=False):
        corner = run["peak"] / run["bandwidth"]
        start = max(least_x, least_y / run["bandwidth"])
        parts.append(
            f'<path d="M{x_of(start):.1f} {y_of(start * run["bandwidth"]):.1f}L{x_of(corner):.1f} {y_of(run["peak"]):.1f}'
            f'H{LEFT + PLOT}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        )
        for _, tokens, ours, peer in run["speeds"]:
            at = x_of(tokens * run["weights"] / run["bytes"])
            own, other = y_of(ours * run["weights"]), y_of(peer * run["weights"])
            parts.append(f'<circle cx="{at:.1f}" cy="{own:.1f}" r="4.5" fill="{colour}"/>')
            parts.append(
                f'<circle cx="{at:.1f}" cy="{other:.1f}" r="4" fill="white" stroke="{colour}" stroke-width="1.5"/>'
            )
        side = LEFT + PLOT + 16
        parts.append(f'<circle cx="{side}" cy="{legend}" r="5" fill="{colour}"/>')
        parts.append(text(side + 12, legend + 4, f"{run['model']}, threads: {run['threads']}"))
        peak = f"{run['bandwidth'] / 1e9:.1f} GB/s, {run['peak'] / 1e9:.0f} G products/s"
        parts.append(text(side + 12, legend + 19, peak, 'fill="#57606a"'))
        legend += 44
    side = LEFT + PLOT + 16
    for line in ("filled: native, hollow: llama.cpp", "from left to right: decode,", "decode of 8 and of 16, prefill"):
        parts.append(text(side, legend + 6, line, 'fill="#57606a"'))
        legend += 16
    return "\n".join([*parts, "</svg>"])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print(draw([run for path in sys.argv[1:] for run in runs_of(Path(path).read_text(encoding="utf-8"))]))
