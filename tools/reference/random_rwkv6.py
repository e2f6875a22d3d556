#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small RWKV-6 model of random weights and its expected logits.

    python3 tools/reference/random_rwkv6.py tests/data/rwkv6

writes model.gguf and logits.json.  The weights are F32: engines round the other operand of
a half-precision product to half, which would hide small mistakes.
"""

import argparse
import string
from pathlib import Path

import gguf
import numpy as np
from fixtures import greedy_case, logits_case, write_cases
from gguf_model import GgufModel
from rwkv6 import Rwkv6

LAYERS = 2
WIDTH = 64
HEAD = 64  # engines on wide vector units take no smaller heads
FEED_FORWARD = 40
MIX_RANK = 4
DECAY_RANK = 4
RESCALE_EVERY = 1  # so that halving shows in the result
TOKENS = ["<s>", "\\n", " "] + list(string.ascii_lowercase) + [".", "?", "!"]


def add_metadata(writer):
    writer.add_name("RWKV-6 random")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(1 << 20)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(0)
    writer.add_wkv_head_size(HEAD)
    writer.add_layer_norm_eps(1e-5)
    writer.add_rescale_every_n_layers(RESCALE_EVERY)
    writer.add_time_mix_extra_dim(MIX_RANK)
    writer.add_time_decay_extra_dim(DECAY_RANK)
    writer.add_tokenizer_model("rwkv")
    writer.add_token_list(TOKENS)
    writer.add_token_types([gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (len(TOKENS) - 1))


def add_tensors(writer, rng):
    def add(name, values):
        writer.add_tensor(name, np.ascontiguousarray(values, dtype=np.float32))

    def matrix(name, *shape):
        """Keeps the size of what it is multiplied with; shape as numpy has it."""
        add(name + ".weight", rng.normal(0, shape[-1] ** -0.5, shape))

    def norm(name):
        add(name + ".weight", rng.uniform(0.5, 1.5, WIDTH))
        add(name + ".bias", rng.normal(0, 0.1, WIDTH))

    matrix("token_embd", len(TOKENS), WIDTH)
    norm("token_embd_norm")
    for layer in range(LAYERS):
        prefix = f"blk.{layer}."
        for name in ("attn_norm", "attn_norm_2", "time_mix_ln"):
            norm(prefix + name)
        matrix(prefix + "time_mix_w1", 5 * MIX_RANK, WIDTH)
        matrix(prefix + "time_mix_w2", 5, WIDTH, MIX_RANK)
        add(prefix + "time_mix_lerp_x.weight", rng.uniform(0, 1, WIDTH))
        add(prefix + "time_mix_lerp_fused.weight", rng.uniform(0, 1, (5, 1, 1, WIDTH)))
        add(prefix + "time_mix_first.weight", rng.normal(0, 0.5, (WIDTH // HEAD, HEAD)))
        # From forgetting at once to hardly at all.
        add(prefix + "time_mix_decay.weight", rng.uniform(-6, 1, WIDTH))
        matrix(prefix + "time_mix_decay_w1", DECAY_RANK, WIDTH)
        matrix(prefix + "time_mix_decay_w2", WIDTH, DECAY_RANK)
        for name in ("key", "value", "receptance", "gate", "output"):
            matrix(f"{prefix}time_mix_{name}", WIDTH, WIDTH)
        add(prefix + "channel_mix_lerp_k.weight", rng.uniform(0, 1, WIDTH))
        add(prefix + "channel_mix_lerp_r.weight", rng.uniform(0, 1, WIDTH))
        matrix(prefix + "channel_mix_key", FEED_FORWARD, WIDTH)
        matrix(prefix + "channel_mix_value", WIDTH, FEED_FORWARD)
        matrix(prefix + "channel_mix_receptance", WIDTH, WIDTH)
    norm("output_norm")
    matrix("output", len(TOKENS), WIDTH)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(folder / "model.gguf", "rwkv6")
    rng = np.random.default_rng(6)
    add_metadata(writer)
    add_tensors(writer, rng)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    model = Rwkv6(GgufModel(folder / "model.gguf"))
    text = [int(i) for i in rng.integers(1, len(TOKENS), 600)]
    cases = [logits_case(model, f"single token {token}", [token]) for token in (0, 1, 31)]
    cases += [logits_case(model, f"{n} tokens", text[:n]) for n in (2, 7, 120, 600)]
    greedy = (greedy_case(model, f"greedy after {n} tokens", text[:n]) for n in range(3, len(text)))
    cases.append(next(case for case in greedy if case))
    write_cases(folder / "logits.json", cases)


if __name__ == "__main__":
    main()
