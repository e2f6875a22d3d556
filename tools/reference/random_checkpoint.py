#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""RWKV checkpoints of random weights with their author's tensor names, and their expected logits.

    python3 tools/reference/random_checkpoint.py tests/data/convert

writes for versions 7 and 6 a .pth file by torch, of the first the same tensors as .safetensors
by hand, a vocabulary and the logits.  The forward pass reads the checkpoint's tensors, never a converted
file.
"""

import argparse
import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from fixtures import logits_case, write_cases
from rwkv6 import Rwkv6
from rwkv7 import Rwkv7

RESCALE_EVERY = 6  # halving of activations that converters of version 6 build in


@dataclass
class Shape:
    version: int = 7
    layers: int = 2
    width: int = 64
    head: int = 64
    feed_forward: int = 96
    vocabulary: int = 40
    ranks: tuple = (8, 4, 3, 12)  # version 7: decay, learning rate, value residual, gate; version 6: mix, decay
    value_in_first_layer: bool = False


def random_tensors(shape, rng):
    """float64 arrays by the names that the author's trainer gives them."""
    c, f = shape.width, shape.feed_forward
    heads = (c // shape.head, shape.head)
    tensors = {}

    def matrix(name, *sizes, fan_in=None):
        tensors[name] = rng.normal(0, (fan_in or sizes[-1]) ** -0.5, sizes)

    def uniform(name, low, high, *sizes):
        tensors[name] = rng.uniform(low, high, sizes or (1, 1, c))

    def norm(name):
        tensors[name + ".weight"] = rng.uniform(0.5, 1.5, c)
        tensors[name + ".bias"] = rng.normal(0, 0.1, c)

    matrix("emb.weight", shape.vocabulary, c)
    norm("blocks.0.ln0")
    for layer in range(shape.layers):
        block = f"blocks.{layer}."
        att, ffn = block + "att.", block + "ffn."
        for name in ("ln1", "ln2", "att.ln_x"):
            norm(block + name)
        for name in ("receptance", "key", "value", "output"):
            matrix(f"{att}{name}.weight", c, c)
        matrix(ffn + "key.weight", f, c)
        matrix(ffn + "value.weight", c, f)
        if shape.version == 7:
            for name in "rwkvag":
                uniform(att + "x_" + name, 0, 1)
            for letter, rank in zip("wavg", shape.ranks):
                if letter == "v" and layer == 0 and not shape.value_in_first_layer:
                    continue
                if letter != "g":
                    uniform(att + letter + "0", -4 if letter == "w" else -1, 1)
                matrix(att + letter + "1", c, rank, fan_in=c)
                matrix(att + letter + "2", rank, c, fan_in=rank)
            uniform(att + "k_k", 0.5, 1.2)
            uniform(att + "k_a", 0.5, 1.2)
            tensors[att + "r_k"] = rng.normal(0, 0.3, heads)
            uniform(ffn + "x_k", 0, 1)
        else:
            mix, decay = shape.ranks[:2]
            for name in "xwkvrg":
                uniform(att + "time_maa_" + name, 0, 1)
            matrix(att + "time_maa_w1", c, 5 * mix, fan_in=c)
            matrix(att + "time_maa_w2", 5, mix, c, fan_in=mix)
            uniform(att + "time_decay", -6, 0)
            matrix(att + "time_decay_w1", c, decay, fan_in=c)
            matrix(att + "time_decay_w2", decay, c, fan_in=decay)
            tensors[att + "time_faaaa"] = rng.normal(0, 0.5, heads)
            matrix(att + "gate.weight", c, c)
            uniform(ffn + "time_maa_k", 0, 1)
            uniform(ffn + "time_maa_r", 0, 1)
            matrix(ffn + "receptance.weight", c, c)
    norm("ln_out")
    matrix("head.weight", shape.vocabulary, c)
    return tensors


class CheckpointModel:
    """What Rwkv6 and Rwkv7 take, from a checkpoint's own tensors."""

    def __init__(self, shape, tensors):
        self.shape = shape
        self.source = tensors
        self.tensors = {"token_embd.weight": tensors["emb.weight"], "output.weight": tensors["head.weight"]}
        for name, source in (("token_embd_norm", "blocks.0.ln0"), ("output_norm", "ln_out")):
            for part in (".weight", ".bias"):
                self.tensors[name + part] = tensors[source + part]

    def number(self, key):
        return {
            "block_count": self.shape.layers,
            "embedding_length": self.shape.width,
            "wkv.head_size": self.shape.head,
            "attention.layer_norm_epsilon": 1e-5,
            "rescale_every_n_layers": 0,
        }[key]  # the checkpoint itself halves nothing

    def layer(self, index):
        prefix = f"blocks.{index}."
        p = {name.removeprefix(prefix): values for name, values in self.source.items() if name.startswith(prefix)}
        out = {}
        for name, source in (("attn_norm", "ln1"), ("attn_norm_2", "ln2"), ("time_mix_ln", "att.ln_x")):
            out[name], out[name + ".bias"] = p[source + ".weight"], p[source + ".bias"]
        for name in ("receptance", "key", "value", "output", "gate"):
            if f"att.{name}.weight" in p:
                out["time_mix_" + name] = p[f"att.{name}.weight"]
        for name in ("key", "value", "receptance"):
            if f"ffn.{name}.weight" in p:
                out["channel_mix_" + name] = p[f"ffn.{name}.weight"]
        flat = {name: values.reshape(-1) for name, values in p.items()}
        if self.shape.version == 7:
            for letter in "wavg":
                for part in "012":
                    name = f"att.{letter}{part}"
                    if name in p:
                        out[f"time_mix_{letter}{part}"] = flat[name] if part == "0" else p[name].T
            out["time_mix_lerp_fused"] = np.stack([flat["att.x_" + letter] for letter in "rwkvag"])
            for name in ("k_k", "k_a", "r_k"):
                out["time_mix_" + name] = flat["att." + name]
            out["channel_mix_lerp_k"] = flat["ffn.x_k"]
        else:
            out["time_mix_w1"] = p["att.time_maa_w1"].T
            out["time_mix_w2"] = p["att.time_maa_w2"].transpose(0, 2, 1)
            out["time_mix_lerp_x"] = flat["att.time_maa_x"]
            out["time_mix_lerp_fused"] = np.stack([flat["att.time_maa_" + letter] for letter in "wkvrg"])
            out["time_mix_decay"] = flat["att.time_decay"]
            out["time_mix_decay_w1"] = p["att.time_decay_w1"].T
            out["time_mix_decay_w2"] = p["att.time_decay_w2"].T
            out["time_mix_first"] = p["att.time_faaaa"]
            out["channel_mix_lerp_k"] = flat["ffn.time_maa_k"]
            out["channel_mix_lerp_r"] = flat["ffn.time_maa_r"]
        return out


def as_stored(tensors, dtype):
    """The torch tensors of this type, and their exact values."""
    stored = {name: torch.from_numpy(values).to(dtype) for name, values in tensors.items()}
    return stored, {name: tensor.double().numpy() for name, tensor in stored.items()}


def write_safetensors(path, stored):
    header, data = {}, b""
    for name, tensor in stored.items():
        dtype = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}[tensor.dtype]
        raw = tensor.contiguous().view(torch.uint8).numpy().tobytes()
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_vocabulary(path, size):
    """Bytes first; as many tokens as the model has but token 0 and one row of padding."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("1 '\\n' 1\n")
        for i in range(2, size - 1):
            word = "".join("abcdefghij"[int(digit)] for digit in str(i))
            file.write(f"{i} '{word}' {len(word)}\n")


def model_of(shape, exact):
    model = CheckpointModel(shape, exact)
    return Rwkv7(model) if shape.version == 7 else Rwkv6(model)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for shape, dtype in ((Shape(), torch.bfloat16), (Shape(6, feed_forward=64, ranks=(4, 6)), torch.float16)):
        rng = np.random.default_rng(shape.version)
        stored, exact = as_stored(random_tensors(shape, rng), dtype)
        torch.save(stored, folder / f"rwkv{shape.version}.pth")
        if shape.version == 7:
            write_safetensors(folder / "rwkv7.safetensors", stored)
        model = model_of(shape, exact)
        text = [int(i) for i in rng.integers(0, shape.vocabulary, 50)]
        write_cases(
            folder / f"rwkv{shape.version}.json", [logits_case(model, f"{n} tokens", text[:n]) for n in (1, 2, 50)]
        )
    write_vocabulary(folder / "vocab.txt", Shape().vocabulary)


if __name__ == "__main__":
    main()
