#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Seeds for the fuzzers: small sound files of every format.

    python3 tools/fuzz_seeds.py fuzz/corpus

Needs torch, numpy and gguf, as tools/reference does.
"""

import argparse
import json
import pickle
import shutil
import struct
import sys
import tomllib
import zipfile
from pathlib import Path

import gguf
import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools" / "reference"))

from random_checkpoint import Shape, as_stored, random_tensors, write_safetensors

SMALL = {7: Shape(7, 1, 8, 4, 8, 6, (2, 1, 1, 2)), 6: Shape(6, 1, 8, 4, 8, 6, (1, 2))}
TOKENS = ["<s>", "\\n", "a", "\\xff", "ab", "[PAD5]"]


def write_gguf(folder):
    writer = gguf.GGUFWriter(folder / "values.gguf", "none")
    for name, value in (("u8", 1), ("i64", -1)):
        getattr(writer, "add_uint8" if name == "u8" else "add_int64")(name, value)
    writer.add_float64("f64", 0.5)
    writer.add_bool("bool", True)
    writer.add_array("texts", ["a", ""])
    writer.add_array("numbers", [1, 2])
    writer.add_tensor("t", np.zeros((2, 3), dtype=np.float32))
    finish(writer)
    width, rank, forward, rows = 8, 2, 4, len(TOKENS)
    writer = gguf.GGUFWriter(folder / "rwkv7.gguf", "rwkv7")
    writer.add_context_length(1)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(forward)
    writer.add_wkv_head_size(4)
    writer.add_layer_norm_eps(1e-5)
    for add in (
        writer.add_decay_lora_rank,
        writer.add_iclr_lora_rank,
        writer.add_value_residual_mix_lora_rank,
        writer.add_gate_lora_rank,
    ):
        add(rank)
    writer.add_tokenizer_model("rwkv")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 1, 1, 1, 1, 5])
    vectors = ["token_embd_norm.weight", "token_embd_norm.bias", "output_norm.weight", "output_norm.bias"]
    for name in ("attn_norm", "attn_norm_2", "time_mix_ln"):
        vectors += [f"blk.0.{name}.weight", f"blk.0.{name}.bias"]
    vectors += [
        f"blk.0.{name}.weight"
        for name in (
            "time_mix_w0",
            "time_mix_a0",
            "time_mix_v0",
            "time_mix_k_k",
            "time_mix_k_a",
            "time_mix_r_k",
            "channel_mix_lerp_k",
        )
    ]
    shapes = {name: (width,) for name in vectors}
    shapes |= {
        "token_embd.weight": (rows, width),
        "output.weight": (rows, width),
        "blk.0.time_mix_lerp_fused.weight": (6, 1, 1, width),
        "blk.0.channel_mix_key.weight": (forward, width),
        "blk.0.channel_mix_value.weight": (width, forward),
    }
    shapes |= {f"blk.0.time_mix_{name}.weight": (width, width) for name in ("key", "value", "receptance", "output")}
    for letter in "wavg":
        shapes |= {f"blk.0.time_mix_{letter}1.weight": (rank, width), f"blk.0.time_mix_{letter}2.weight": (width, rank)}
    for name, shape in shapes.items():
        writer.add_tensor(name, np.zeros(shape, dtype=np.float32))
    finish(writer)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_checkpoints(folder):
    for version, shape in SMALL.items():
        stored, _ = as_stored(random_tensors(shape, np.random.default_rng(1)), torch.bfloat16)
        write_safetensors(folder / "safetensors" / f"rwkv{version}.safetensors", stored)
        torch.save(stored, folder / "pth" / f"rwkv{version}.pth")
    for name in ("mixed", "zip64", "zipfile", "nested"):
        data = (ROOT / "tests" / "data" / "formats" / f"{name}.pth").read_bytes()
        (folder / "pth" / f"{name}.pth").write_bytes(data)
    data = (ROOT / "tests" / "data" / "formats" / "mixed.safetensors").read_bytes()
    (folder / "safetensors" / "mixed.safetensors").write_bytes(data)


def cbor(value):
    """As serde writes it: maps, lists, texts, bytes and numbers that are not negative."""

    def head(major, number):
        for info, (limit, size) in enumerate([(24, 0), (1 << 8, 1), (1 << 16, 2), (1 << 32, 4)], start=23):
            if number < limit:
                return bytes([major << 5 | (info if size else number)]) + (
                    number.to_bytes(size, "big") if size else b""
                )
        raise ValueError(number)

    if isinstance(value, dict):
        return head(5, len(value)) + b"".join(cbor(key) + cbor(item) for key, item in value.items())
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    return head(2, len(value)) + value if isinstance(value, bytes) else head(0, value)


def write_prefab(folder):
    """One layer of a model of width 64 with a matrix of each kind; values do not matter."""

    def blob(*shape, size=2):
        count = 1
        for length in shape:
            count *= length
        return {
            "shape": [*shape, 1, 1, 1][:4],
            "data": bytes(range(40, 60)) * (count * size // 20) + bytes(count * size % 20),
        }

    def norm():
        return {"w": blob(64), "b": blob(64)}

    def fp16(*shape):
        return {"Fp16": blob(*shape)}

    att = {name: blob(64) for name in ("x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "w0", "a0", "v0")}
    for name in "wagv":
        att |= {f"{name}1": fp16(64, 8), f"{name}2": fp16(8, 64)}
    att |= {"r_k": blob(32, 2), "k_k": blob(64), "k_a": blob(64)}
    att |= {
        "w_k": fp16(64, 64),
        "w_v": {"Int8": {"w": blob(64, 64, size=1), "m": blob(64)}},
        "w_r": {"Fp4": {"q": blob(16, size=4), "w": blob(32, 64, size=1), "m": blob(64)}},
        "w_o": {"Nf4": {"q": blob(16, size=4), "w": blob(32, 64, size=1), "m": blob(64)}},
        "gn": norm(),
    }
    ffn = {"x_k": blob(64), "w_k": fp16(64, 64), "w_v": fp16(64, 64)}
    layer = {"att_ln": norm(), "ffn_ln": norm(), "att": att, "ffn": ffn}
    ranks = {name: 8 for name in "wagv"}
    info = {"version": "V7", "num_layer": 1, "num_emb": 64, "num_hidden": 64, "num_vocab": 6, "num_head": 2}
    model = {
        "context": [],
        "info": info | {"custom": {"V7": ranks}},
        "rescale": 1024,
        "sep": 1024,
        "tensor": {
            "embed": {"ln": norm(), "w": blob(64, 8)},
            "head": {"ln": norm(), "w": fp16(64, 8)},
            "layers": [layer],
        },
    }
    (folder / "rwkv7.prefab").write_bytes(cbor(model))


def write_mlx(folder):
    source = ROOT / "tests" / "data" / "convert" / "mlx4"
    config = (source / "config.json").read_bytes().strip()
    (folder / "mlx4").write_bytes(config + b"\n" + (source / "model.safetensors").read_bytes())


def write_pickles(folder):
    """Of tensors whose storages have the sizes that the target gives them: 24, 48, 96 and 192 bytes."""
    tensors = {
        "a": torch.zeros(6),
        "b": torch.zeros(4, 6, dtype=torch.bfloat16),
        "c": torch.zeros(4, 6).t(),
        "d": torch.zeros(48)[4:40:3],
    }
    for name, value, protocol in (
        ("plain", tensors, 2),
        ("protocol4", tensors, 4),
        ("nested", {"state_dict": {k: torch.nn.Parameter(v) for k, v in tensors.items()}}, 2),
    ):
        path = folder / f"{name}.pth"
        torch.save(value, path, pickle_protocol=protocol)
        with zipfile.ZipFile(path) as archive:
            (folder / f"{name}.pkl").write_bytes(archive.read(f"{name}/data.pkl"))
        path.unlink()
    for protocol in (2, 3, 4, 5):
        value = {"numbers": [1, -1, 1 << 20, 1 << 40, 0.5], "rest": (True, None, b"bytes", "é" * 300), 3: []}
        (folder / f"values{protocol}.pkl").write_bytes(pickle.dumps(value, protocol))


def write_rmpack(folder):
    data = (ROOT / "tests" / "data" / "formats" / "state.rmpack").read_bytes()
    (folder / "state.rmpack").write_bytes(data)
    config = b'{"a":[1,{"b":null}],"c":-1.5,"d":"x"}'
    (folder / "empty.rmpack").write_bytes(b"RWKVMBLE" + struct.pack("<I", len(config)) + config + struct.pack("<I", 0))


def fnv(data, value=0xCBF29CE484222325):
    """src/base/checksum.h, from its description."""
    mask = (1 << 64) - 1
    for at in range(0, len(data) // 8 * 8, 8):
        value = (value ^ int.from_bytes(data[at : at + 8], "little")) * 0x100000001B3 & mask
        value ^= value >> 29
    for byte in data[len(data) // 8 * 8 :]:
        value = (value ^ byte) * 0x100000001B3 & mask
    return value


def write_state(folder):
    for name, tokens, shape, code in (
        ("empty", [], (0, 0, 0, 0), 0),
        ("some", [1, 2, 300], (2, 3, 2, 2), 0),
        ("halves", [7], (1, 2, 1, 2), 1),
    ):
        layers, width, heads, size = shape
        values = [i / 4 - 1 for i in range(layers * (2 * width + heads * size * size))]
        state = struct.pack(f"<{len(values)}{'fe'[code]}", *values)
        head = b"RWKVSTAT" + struct.pack("<IIQ24sIIIIQ", 2, code, 0x1122334455667788, b"llama.cpp", *shape, len(tokens))
        ids = struct.pack(f"<{len(tokens)}i", *tokens)
        value = fnv(state, fnv(ids, fnv(head + bytes(8))))
        (folder / f"{name}.state").write_bytes(head + struct.pack("<Q", value) + ids + state)
    old = b"".join(struct.pack("<I", len(part)) + part for part in (b"a state", struct.pack("<2i", 5, 6), bytes(8)))
    (folder / "old.state").write_bytes(old)


def write_foreign_state(folder):
    """States of two layers of 4 values and one head of 4 x 4, the number of tokens before them."""

    def state(head, scale):
        out = head + struct.pack("<IiI", 1, 8, 0) + struct.pack("<II", 0, 2)
        for count in (8, 8, 16, 16):
            out += struct.pack("<iQ", 0, 4 * count) + struct.pack(f"<{count}f", *(i * scale for i in range(count)))
        return out

    before, after = state(struct.pack("<II", 0x67677371, 1), 0.25), state(b"", -0.5)
    (folder / "new").write_bytes(b"\3" + before)
    (folder / "old").write_bytes(b"\3" + after)
    for name, tokens, has_last, last in (
        ("both", 2, 1, 300),
        ("one", 1, 1, 5),
        ("unknown", 3, 0, -1),
        ("wrong", 3, 1, 5),
    ):
        head = struct.pack("<IIBiQQ", 0x5350524C, 1, has_last, last, len(before), len(after))
        (folder / name).write_bytes(bytes([tokens]) + head + before + after)


def write_vocabulary(folder):
    (folder / "escapes.txt").write_text(
        r"""1 '\n' 1
2 "'" 1
3 '"' 1
4 b'\xff' 1
5 '\x80' 2
6 '一' 3
7 '\u4e00a' 4
8 '  ' 2
9 '\\' 1
10 'User' 4
""",
        encoding="utf-8",
    )
    (folder / "json.json").write_text(r'{"1": "\u0000", "3": [128, 255], "2": "\u4e00\"", "0": "<s>"}')
    (folder / "marked.txt").write_bytes(b"\xef\xbb\xbf1 'a' 1\r\n2 'b' 1\r\n\r\n")
    (folder / "windows.txt").write_bytes(b"1 'a' 1\r\n3 b'ab' 2\r\n2 '\\101\\t' 2")


def write_protocol(folder):
    """Each request with something in every field, and some wrong ones."""
    samples = {"string": "text", "bool": True, "int32": 1, "int64": 1, "double": 0.5}
    for path in sorted((ROOT / "protocol").glob("*.toml")):
        schema = tomllib.loads(path.read_text(encoding="utf-8"))
        for group in ("requests", "responses"):
            for name, message in schema.get(group, {}).items():
                out = {"type": name, "requestId": 1}
                for field, spec in message.get("fields", {}).items():
                    kind = (spec if isinstance(spec, str) else spec.get("type", "int32")).rstrip("?")
                    value = samples.get(kind.replace("list<", "").replace("map<", "").rstrip(">[]"), 1)
                    if kind.startswith("map"):
                        value = {"key": value}
                    out[field] = [value] if "list" in kind or kind.endswith("[]") else value
                (folder / f"{name}.json").write_text(json.dumps(out), encoding="utf-8")
    (folder / "unicode.json").write_text(r'{"type":"ChatAsync","messages":["\ud83d\ude00 \ud83d é"],"extra":[[{}]]}')


def write_chat(folder):
    (folder / "plain").write_bytes(b"\x28Hello\0Hi!\0Why?\r\n\r\nBecause.")
    (folder / "format").write_bytes(b"\x6fYou are a bot\0User\0<think>\n</think>\0\n\n")
    (folder / "cut").write_bytes("\x20一二\0😀".encode()[:-2])


def write_whisper(folder):
    """Two tensors, of which the adapter's is the one that has to be there."""
    header = struct.pack("<I13i", 0x67676D6C, 2, 3, 4, 2, 1, 4, 4, 2, 1, 2, 2, 3, 1)
    filters = struct.pack("<2i", 2, 3) + bytes(24)
    words = struct.pack("<i", 2) + struct.pack("<I", 1) + b"a" + struct.pack("<I", 2) + b"bc"

    def tensor(name, kind, *sizes):
        elements = np.zeros(int(np.prod(sizes)), dtype=np.float16 if kind == 1 else np.float32)
        described = struct.pack(f"<3i{len(sizes)}i", len(sizes), len(name), kind, *sizes)
        return described + name.encode() + elements.tobytes()

    adapter = tensor("rwkv.adapter.conv.weight", 1, 3, 4, 3)
    (folder / "whole").write_bytes(header + filters + words + tensor("encoder.conv1.bias", 0, 1, 4) + adapter)
    (folder / "without_words").write_bytes(header + filters + struct.pack("<i", 0) + adapter)
    (folder / "of_whisper_cpp").write_bytes(header[:44] + header[52:] + filters)


def copy_media(folder, kind):
    """Those that the tests read, without what says the same twice."""
    same = {
        "full.jpg",
        "exif1.jpg",
        "palette.png",
        "rgb.png",
        "pcm16.wav",
        "pcm32.wav",
        "float.wav",
        "extensible24.wav",
    }
    for path in sorted((ROOT / "tests" / "data" / "media" / kind).iterdir()):
        if path.suffix not in (".json", ".f32") and path.name not in same:
            shutil.copy(path, folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    formats = (
        "gguf",
        "safetensors",
        "pth",
        "prefab",
        "mlx",
        "pickle",
        "rmpack",
        "state_file",
        "foreign_state",
        "whisper",
    )
    for name in (*formats, "vocabulary", "protocol", "chat", "picture", "sound"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_gguf(folder / "gguf")
    write_checkpoints(folder)
    write_pickles(folder / "pickle")
    write_rmpack(folder / "rmpack")
    write_state(folder / "state_file")
    write_foreign_state(folder / "foreign_state", "whisper")
    write_vocabulary(folder / "vocabulary")
    write_protocol(folder / "protocol")
    write_chat(folder / "chat")
    write_prefab(folder / "prefab")
    write_mlx(folder / "mlx")
    write_whisper(folder / "whisper")
    copy_media(folder / "picture", "pictures")
    copy_media(folder / "sound", "sounds")


if __name__ == "__main__":
    main()
