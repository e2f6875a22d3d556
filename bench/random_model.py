#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""RWKV-7 models of random weights in sizes of real ones, to measure speed with. Needs Python's own library only.

    python3 bench/random_model.py 0.1B q8_0 model.gguf

Sizes: 0.1B, 0.4B, 1.5B; types of the large matrices: f16, q8_0, q4_0. As `rwkv convert` does it, low-rank matrices are
F16 (those of the decay F32), and of a q4_0 model the output is q8_0 (there Q6_K). Half of the units of channel mixing are zero.
"""

import random
import struct
import sys

SIZES = {  # layers, width, ranks of decay, rate, value residual and gate
    "0.1B": (12, 768, (64, 64, 32, 128)),
    "0.4B": (24, 1024, (64, 64, 32, 128)),
    "1.5B": (24, 2048, (96, 96, 64, 256)),
}
VOCABULARY = 65536
TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 8}
BLOCKS = {"q8_0": (34, 73.9), "q4_0": (18, 4.61)}  # bytes of 32 values, and how far a value is from 0, in scales


def half(value):
    return struct.pack("<e", value)


def matrix(rng, kind, columns, rows, deviation):
    count = columns * rows
    if kind == "f32":
        return vector(rng, -1.7 * deviation, 1.7 * deviation, count)
    if kind == "f16":
        data = bytearray(rng.randbytes(2 * count))
        # A sign, and an exponent: magnitudes from half the deviation to twice as much.
        top = struct.unpack("<H", half(deviation))[0] >> 8 & 0x7C
        data[1::2] = data[1::2].translate(bytes((i & 0x80) | (top - 4 + (i & 4)) | (i & 3) for i in range(256)))
        return bytes(data)
    size, spread = BLOCKS[kind]
    data = bytearray(rng.randbytes(count // 32 * size))
    scale = half(deviation / spread)
    for i in range(2):
        data[i::size] = scale[i : i + 1] * (count // 32)
    return bytes(data)


def vector(rng, low, high, count):
    return struct.pack(f"<{count}f", *(rng.uniform(low, high) for _ in range(count)))


def tensors(rng, kind, layers, width, ranks):
    def large(name, columns, rows, of=kind):
        return name, of, (columns, rows), lambda: matrix(rng, of, columns, rows, columns**-0.5)

    def low_rank(name, columns, rows):
        return large(name, columns, rows, "f32" if "time_mix_w" in name else "f16")

    def small(name, low, high, shape=(width,)):
        count = shape[0] * shape[-1] if len(shape) > 1 else shape[0]
        return name, "f32", shape, lambda: vector(rng, low, high, count)

    def norm(name):
        return [small(name + ".weight", 0.8, 1.2), small(name + ".bias", -0.1, 0.1)]

    yield large("token_embd.weight", width, VOCABULARY)
    yield from norm("token_embd_norm")
    yield from norm("output_norm")
    yield large("output.weight", width, VOCABULARY, "q8_0" if kind == "q4_0" else kind)
    for layer in range(layers):
        block = f"blk.{layer}."
        mix = block + "time_mix_"
        yield from norm(block + "attn_norm")
        yield from norm(block + "attn_norm_2")
        decay, rate, residual, gate = ranks
        for letter, rank, low in (("w", decay, -6), ("a", rate, -1), ("v", residual if layer > 0 else rate, -1)):
            yield small(f"{mix}{letter}0.weight", low, 1)
            yield low_rank(f"{mix}{letter}1.weight", width, rank)
            yield low_rank(f"{mix}{letter}2.weight", rank, width)
        yield low_rank(mix + "g1.weight", width, gate)
        yield low_rank(mix + "g2.weight", gate, width)
        yield small(mix + "lerp_fused.weight", 0, 1, (width, 1, 1, 6))
        for name in ("k_k", "k_a"):
            yield small(f"{mix}{name}.weight", 0.5, 1.2)
        yield small(mix + "r_k.weight", -0.3, 0.3)
        for name in ("key", "value", "receptance", "output"):
            yield large(f"{mix}{name}.weight", width, width)
        yield from norm(mix + "ln")
        yield small(block + "channel_mix_lerp_k.weight", 0, 1)
        yield large(block + "channel_mix_key.weight", width, 4 * width)
        yield large(block + "channel_mix_value.weight", 4 * width, width)


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def key(name, kind, value):
    return text(name) + struct.pack("<I", kind) + value


def keys(layers, width, ranks, name):
    def number(what, value):
        return key("rwkv7." + what, 4, struct.pack("<I", value))

    lora = ("decay", "iclr", "value_residual_mix", "gate")
    texts = ["<s>"] + [f"\\x{i:02x}" for i in range(256)] + [f"word{i}" for i in range(257, VOCABULARY)]
    return [
        key("general.architecture", 8, text("rwkv7")),
        key("general.name", 8, text(name)),
        number("context_length", 4096),
        number("embedding_length", width),
        number("block_count", layers),
        number("feed_forward_length", 4 * width),
        number("wkv.head_size", 64),
        number("attention.head_count", 0),
        *(number(f"attention.{what}_lora_rank", rank) for what, rank in zip(lora, ranks, strict=True)),
        key("rwkv7.attention.layer_norm_epsilon", 6, struct.pack("<f", 1e-5)),
        key("tokenizer.ggml.model", 8, text("rwkv")),
        key("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, VOCABULARY) + b"".join(map(text, texts))),
    ]


def bytes_of(kind, shape):
    count = 1
    for dimension in shape:
        count *= dimension
    return count * {"f32": 4, "f16": 2}[kind] if kind in ("f32", "f16") else count // 32 * BLOCKS[kind][0]


def padded(size):
    return (size + 31) // 32 * 32


def write(path, size, kind, seed=1):
    layers, width, ranks = SIZES[size]
    metadata = keys(layers, width, ranks, f"random {size} {kind}")
    listed = list(tensors(random.Random(seed), kind, layers, width, ranks))
    header = b"GGUF" + struct.pack("<IQQ", 3, len(listed), len(metadata)) + b"".join(metadata)
    offset = 0
    for name, of, shape, _ in listed:
        header += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, TYPES[of], offset)
        offset += padded(bytes_of(of, shape))
    with open(path, "wb") as file:
        file.write(header.ljust(padded(len(header)), b"\0"))
        for _, of, shape, make in listed:
            file.write(make().ljust(padded(bytes_of(of, shape)), b"\0"))


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in SIZES or sys.argv[2] not in ("f16", "q8_0", "q4_0"):
        sys.exit(__doc__)
    write(sys.argv[3], sys.argv[1], sys.argv[2])
