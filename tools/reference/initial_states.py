#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Initial states (state tuning) of the small models, and the logits that follow them.

    python3 tools/reference/initial_states.py models/tiny/rwkv7-tiny.gguf tests/data/tiny
    python3 tools/reference/initial_states.py tests/data/rwkv6/model.gguf tests/data/rwkv6

Writes initial_state.pth (by torch), initial_state.rmpack and initial_state.json.  The matrices
are random with numbers that are exact in f16 and bf16, so both files hold the same.  A
``time_state`` has the layout of the author's training code: RWKV-7 keeps [value, key], RWKV-6
[key, value], which is how the reference models here keep theirs.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from checkpoint_files import rmpack_bytes
from fixtures import write_cases
from gguf_model import GgufModel
from rwkv6 import Rwkv6
from rwkv7 import Rwkv7


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    file = GgufModel(args.model)
    model = {"rwkv6": Rwkv6, "rwkv7": Rwkv7}[file.architecture](file)
    rng = np.random.default_rng(7)
    states = rng.integers(-127, 128, model.wkv.shape) / 8

    tensors = {}
    for layer, matrices in enumerate(states):
        tensor = torch.tensor(matrices, dtype=torch.bfloat16)
        if layer == 0:  # a view, as after a transpose that was not made contiguous
            tensor = tensor.transpose(1, 2).contiguous().transpose(1, 2)
        if layer == 1:
            tensor = tensor.float()
        tensors[f"blocks.{layer}.att.time_state"] = tensor
    torch.save(tensors, args.folder / "initial_state.pth")
    blobs = {name: matrices.astype(np.float16).tobytes() for name, matrices in zip(tensors, states)}
    config = json.dumps({"hidden_size": model.width}).encode()
    (args.folder / "initial_state.rmpack").write_bytes(rmpack_bytes(config, blobs))

    cases = []
    for tokens in ([5], [30, 1, 17, 9], [int(t) for t in rng.integers(1, 32, 40)]):
        model.reset()
        model.wkv = states.copy()
        for token in tokens:
            logits = model.step(token)
        cases.append(
            dict(
                name=f"{len(tokens)} tokens after the initial state",
                tokens=tokens,
                logits=[float(f"{x:.6g}") for x in logits],
                argmax=int(np.argmax(logits)),
            )
        )
    write_cases(args.folder / "initial_state.json", cases)


if __name__ == "__main__":
    main()
