#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random RWKV-7 models of random sizes and all types of weights in our own engine, against the equations.

    python3 tools/reference/native_sweep.py build/release/bin/rwkv [--models 24] [--tokens 1000] [--seed 1]

For F32 the largest difference of a logit, relative to the largest logit, has to be below 1e-4. For the other types the
reference computes with the values that the type leaves of the weights: `native` may be off by half as much again as
llama.cpp is, at the most.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from gguf_model import GgufModel
from random_checkpoint import Shape, as_stored, random_tensors, write_safetensors, write_vocabulary
from rwkv7 import Rwkv7

MOST = 1e-4
TYPES = ("f16", "bf16", "q8_0", "q4_0", "q4_k", "q5_k")  # what `rwkv convert` writes


def random_shape(rng, is_quantised):
    """Rows of 256 values for blocks of any size; llama.cpp takes heads of multiples of 64 on any processor."""
    if is_quantised:
        width, head = 256 * int(rng.integers(1, 3)), int(rng.choice([64, 128]))
        feed_forward = 256 * int(rng.integers(1, 4))
    else:
        head = int(rng.choice([8, 16, 20, 21, 32, 48, 64, 80, 96, 128]))
        width = head * int(rng.integers(1, 1 + max(1, 512 // head)))
        feed_forward = int(rng.integers(1, 1025))
    ranks = tuple(int(rng.integers(1, 65)) for _ in range(4))
    layers = int(rng.integers(1, 7 if width < 300 else 4))
    return Shape(7, layers, width, head, feed_forward, int(rng.integers(40, 600)), ranks, bool(rng.integers(2)))


def logits(rwkv, model, backend, tokens):
    result = subprocess.run(
        [rwkv, "logits", "-m", model, "--backend", backend, "--tokens", ",".join(map(str, tokens))],
        check=True,
        capture_output=True,
        text=True,
    )
    return np.array(json.loads(result.stdout)["logits"])


def difference(got, expected):
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rwkv", type=Path)
    parser.add_argument("--models", type=int, default=24)
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    failures, worst = [], 0.0
    for index in range(args.models):
        type_name = "f32" if index % 2 == 0 else TYPES[index // 2 % len(TYPES)]
        shape = random_shape(rng, type_name not in ("f32", "f16", "bf16"))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            stored, _ = as_stored(random_tensors(shape, rng), torch.float32)
            write_safetensors(folder / "model.safetensors", stored)
            write_vocabulary(folder / "vocab.txt", shape.vocabulary)
            model = folder / "model.gguf"
            convert = [args.rwkv, "convert", folder / "model.safetensors", model, "--type", type_name]
            subprocess.run([*convert, "--vocab", folder / "vocab.txt"], check=True, stdout=subprocess.DEVNULL)
            tokens = [int(i) for i in rng.integers(0, shape.vocabulary, args.tokens)]
            reference = Rwkv7(GgufModel(model))
            for token in tokens:
                expected = reference.step(token)
            ours = difference(logits(args.rwkv, model, "native", tokens), expected)
            peer = None
            if shape.head % 64 == 0:
                peer = difference(logits(args.rwkv, model, "llama.cpp", tokens), expected)
        if type_name == "f32":
            worst = max(worst, ours)
            is_good = ours < MOST
        else:
            is_good = peer is None or ours < 1.5 * peer + MOST
        if not is_good:
            failures.append(index)
        beside = "" if peer is None else f", llama.cpp {peer:.2e}"
        print(f"{index:3} {type_name:5} {shape}: {ours:.2e}{beside}", flush=True)
    print(f"{args.models} models, {args.tokens} tokens each, largest difference with F32 {worst:.2e}")
    if failures:
        raise SystemExit(f"too much: {failures}")


if __name__ == "__main__":
    main()
