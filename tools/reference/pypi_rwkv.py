#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A random model of the 0.1B size (12 layers, width 768, 65,536 tokens) in `rwkv logits` and in the author's own
Python package, on the processor in single precision.

    pip install torch numpy rwkv
    python3 tools/reference/pypi_rwkv.py build/release/bin/rwkv [--backend native] [--tokens 1000]

Prints the largest difference of a logit after texts of several lengths; above 1e-4 the run fails.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from random_checkpoint import Shape, as_stored, random_tensors

SHAPE = Shape(7, 12, 768, 64, 3072, 65536, (64, 64, 32, 128), value_in_first_layer=True)
MOST = 1e-4


def write_world_vocabulary(path, size):
    """Any distinct texts do: tokens are given by their ids."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("1 '\\n' 1\n")
        file.writelines(f"{i} 'w{i:06}' 7\n" for i in range(2, size))


def package_logits(checkpoint, texts):
    os.environ.update(RWKV_V7_ON="1", RWKV_JIT_ON="1", RWKV_CUDA_ON="0")
    from rwkv.model import RWKV

    model = RWKV(model=str(checkpoint.with_suffix("")), strategy="cpu fp32")
    for text in texts:
        logits, _ = model.forward(text, None)
        yield logits.double().numpy()


def our_logits(rwkv, model, backend, text):
    result = subprocess.run(
        [rwkv, "logits", "-m", model, "--backend", backend, "--tokens", ",".join(map(str, text))],
        check=True,
        capture_output=True,
        text=True,
    )
    return np.array(json.loads(result.stdout)["logits"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rwkv", type=Path)
    parser.add_argument("--backend", default="native")
    parser.add_argument("--tokens", type=int, default=1000)
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stored, _ = as_stored(random_tensors(SHAPE, rng), torch.float32)
        torch.save(stored, folder / "model.pth")
        write_world_vocabulary(folder / "vocab.txt", SHAPE.vocabulary)
        model = folder / "model.gguf"
        subprocess.run(
            [args.rwkv, "convert", folder / "model.pth", model, "--type", "f32", "--vocab", folder / "vocab.txt"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        text = [int(i) for i in rng.integers(0, SHAPE.vocabulary, args.tokens)]
        texts = [text[:n] for n in sorted({1, 2, 64, args.tokens})]
        for part, expected in zip(texts, package_logits(folder / "model.pth", texts)):
            got = our_logits(args.rwkv, model, args.backend, part)
            difference = float(np.abs(got - expected).max())
            worst = max(worst, difference)
            same = "same" if got.argmax() == expected.argmax() else "another"
            print(
                f"{len(part)} tokens: {difference:.2e}, logits up to {np.abs(expected).max():.2f}, {same} best",
                flush=True,
            )
    if not worst < MOST:
        raise SystemExit(f"{worst:.2e} is too much")


if __name__ == "__main__":
    main()
