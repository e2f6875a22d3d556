#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random models of random sizes: torch writes them, `rwkv convert` converts them, and `rwkv logits` must
say what the checkpoint's own equations say.

    python3 tools/reference/conversion_sweep.py build/release/bin/rwkv [--models 40] [--seed 1]

The largest difference of a logit, relative to the largest logit, is printed for each model; above
1e-3 the run fails.  Prints which sizes were covered.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from random_checkpoint import (
    RESCALE_EVERY,
    Shape,
    as_stored,
    model_of,
    random_tensors,
    write_safetensors,
    write_vocabulary,
)

MOST = 1e-3
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


MOST_HEADS = 16


def random_shape(rng, heads):
    """1 to 12 layers, width 64 to 1024, 256 to 65536 tokens; large in one way at a time, for the reference is slow."""
    version = int(rng.choice([6, 7]))
    head = int(rng.choice([64, 64, 64, 128 if heads <= 8 else 64]))
    width = head * heads
    layers = int(rng.integers(1, 13)) if width <= 512 else int(rng.integers(1, 4))
    if version == 6 and width <= 256:
        layers = int(rng.integers(1, 3 * RESCALE_EVERY))
    vocabulary = int(rng.choice([256, 1000, 65536 if width <= 256 else 4096]))
    ranks = tuple(int(rng.integers(1, 9)) * int(rng.choice([1, 8])) for _ in range(4))
    return Shape(version, layers, width, head, int(rng.integers(1, 65)) * 32, vocabulary, ranks, bool(rng.integers(2)))


def converted_logits(rwkv, source, folder, tokens):
    output = folder / "model.gguf"
    subprocess.run(
        [rwkv, "convert", source, output, "--type", "f32", "--vocab", folder / "vocab.txt"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    result = subprocess.run(
        [rwkv, "logits", "-m", output, "--tokens", ",".join(map(str, tokens))],
        check=True,
        capture_output=True,
        text=True,
    )
    return np.array(json.loads(result.stdout)["logits"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rwkv", type=Path)
    parser.add_argument("--models", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    worst, shapes, heads = 0.0, [], []
    for index in range(args.models):
        if not heads:  # all numbers of them, in any order
            heads = list(rng.permutation(MOST_HEADS) + 1)
        shape = random_shape(rng, int(heads.pop()))
        dtype = str(rng.choice(list(DTYPES)))
        form = str(rng.choice(["pth", "safetensors"]))
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            stored, exact = as_stored(random_tensors(shape, rng), DTYPES[dtype])
            source = folder / f"model.{form}"
            torch.save(stored, source) if form == "pth" else write_safetensors(source, stored)
            write_vocabulary(folder / "vocab.txt", shape.vocabulary)
            tokens = [int(i) for i in rng.integers(0, shape.vocabulary, int(rng.integers(1, 20)))]
            model = model_of(shape, exact)
            for token in tokens:
                expected = model.step(token)
            got = converted_logits(args.rwkv, source, folder, tokens)
        difference = float(np.abs(got - expected).max() / np.abs(expected).max())
        worst = max(worst, difference)
        shapes.append(shape)
        print(
            f"{index:3} {form} {dtype} {shape} {len(tokens)} tokens: {difference:.2e}, {time.monotonic() - start:.1f} s",
            flush=True,
        )
    for what in ("version", "layers", "width", "vocabulary"):
        print(what, sorted({getattr(shape, what) for shape in shapes}))
    print("heads", sorted({shape.width // shape.head for shape in shapes}))
    print(f"{args.models} models, largest difference {worst:.2e}")
    if not worst < MOST:
        raise SystemExit("too much")


if __name__ == "__main__":
    main()
