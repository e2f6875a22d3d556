#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small RWKV-7 models of random weights and unusual sizes, and their logits after long texts.

    python3 tools/reference/random_rwkv7.py tests/data/rwkv7

writes a .gguf of F32 and a .json for each size.
"""

import argparse
from pathlib import Path

import gguf
import numpy as np
from fixtures import logits_case, write_cases
from gguf_model import GgufModel
from random_checkpoint import CheckpointModel, Shape, random_tensors
from random_rwkv6 import TOKENS
from rwkv7 import Rwkv7

LONG_TOKENS = 1000
EPSILON = 1e-5
SHAPES = {
    "narrow": Shape(7, 3, 24, 8, 33, len(TOKENS), (5, 1, 3, 7)),
    "odd": Shape(7, 2, 42, 21, 55, len(TOKENS), (2, 11, 4, 6)),
    "deep": Shape(7, 4, 32, 32, 9, len(TOKENS), (4, 4, 2, 4)),
}


def write_model(path, shape, tensors):
    """The tensors of a checkpoint, with the names and shapes that a converter gives them."""
    writer = gguf.GGUFWriter(path, "rwkv7")
    writer.add_name("RWKV-7 random")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(1 << 20)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(0)
    writer.add_wkv_head_size(shape.head)
    writer.add_layer_norm_eps(EPSILON)
    writer.add_decay_lora_rank(shape.ranks[0])
    writer.add_iclr_lora_rank(shape.ranks[1])
    writer.add_value_residual_mix_lora_rank(shape.ranks[2])
    writer.add_gate_lora_rank(shape.ranks[3])
    writer.add_tokenizer_model("rwkv")
    writer.add_token_list(TOKENS)
    writer.add_token_types([gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (len(TOKENS) - 1))

    def add(name, values):
        writer.add_tensor(name, np.ascontiguousarray(values, dtype=np.float32))

    model = CheckpointModel(shape, tensors)
    for name, values in model.tensors.items():
        add(name, values)
    for index in range(shape.layers):
        layer = model.layer(index)
        if index == 0:  # read by nothing, but files have it, in the learning rate's shapes
            layer.update({f"time_mix_v{part}": layer[f"time_mix_a{part}"] for part in "012"})
        for name, values in layer.items():
            if name == "time_mix_lerp_fused":
                values = values.reshape(6, 1, 1, shape.width)
            add(f"blk.{index}.{name}" + ("" if name.endswith(".bias") else ".weight"), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, shape) in enumerate(SHAPES.items()):
        rng = np.random.default_rng(70 + seed)
        write_model(folder / f"{name}.gguf", shape, random_tensors(shape, rng))
        model = Rwkv7(GgufModel(folder / f"{name}.gguf"))
        text = [int(i) for i in rng.integers(0, len(TOKENS), LONG_TOKENS)]
        write_cases(
            folder / f"{name}.json", [logits_case(model, f"{n} tokens", text[:n]) for n in (1, 2, 65, LONG_TOKENS)]
        )


if __name__ == "__main__":
    main()
