#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small checkpoint files for the tests of the readers.

    python3 tools/reference/checkpoint_files.py tests/data/formats

Written by torch, by Python's zipfile and, from the format's description, by hand.  Every
tensor counts up (see TENSORS), so that tests know the values without a list of them.
"""

import argparse
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import torch


def counting(count, dtype=torch.float32):
    """-1, -0.5, 0, 0.5 ...: exact in every type."""
    return (torch.arange(count) * 0.5 - 1).to(dtype)


TENSORS = {
    "f32": counting(6).reshape(2, 3),
    "f16": counting(5, torch.float16),
    "bf16": counting(4, torch.bfloat16).reshape(1, 2, 2),
    "transposed": counting(12).reshape(3, 4).t(),  # the storage counts, the tensor goes by columns
    "slice": counting(20)[5:15:2],
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 3),
    "f64": counting(3, torch.float64),
    "i64": torch.arange(3),
}


class Harmful:
    """What a hostile file does to readers that call what they are told to."""

    def __reduce__(self):
        return os.system, ("touch harmed",)


def rewrite(source, target, **options):
    """The same archive by another writer."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            info = zipfile.ZipInfo(entry.filename)
            with new.open(info, "w", **options) as file:
                file.write(old.read(entry))


def write_pth(folder):
    torch.save(TENSORS, folder / "mixed.pth")
    rewrite(folder / "mixed.pth", folder / "zipfile.pth")
    rewrite(folder / "mixed.pth", folder / "zip64.pth", force_zip64=True)
    torch.save(TENSORS, folder / "protocol4.pth", pickle_protocol=4)
    layer = torch.nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.copy_(counting(6).reshape(2, 3))
        layer.bias.copy_(counting(2))
    torch.save(layer.state_dict(), folder / "state_dict.pth")
    torch.save(
        {"epoch": 3, "loss": 0.5, "notes": ["a", (1, None)], "state_dict": dict(layer.named_parameters())},
        folder / "nested.pth",
    )
    torch.save(
        {0: counting(2), "blocks.0.att.time_state": counting(8, torch.bfloat16).reshape(2, 2, 2)},
        folder / "time_state.pth",
    )
    torch.save({"weight": counting(2), "more": Harmful()}, folder / "harmful.pth")
    torch.save(TENSORS, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(folder / "deflated.pth", "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("archive/data.pkl", pickle.dumps({}, protocol=2))


def write_safetensors(folder):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in TENSORS.items():
        if tensor.dtype == torch.bfloat16:
            values = tensor.contiguous().view(torch.int16).numpy()
        else:
            values = tensor.contiguous().numpy()
        dtype = {
            torch.float32: "F32",
            torch.float16: "F16",
            torch.bfloat16: "BF16",
            torch.float64: "F64",
            torch.int64: "I64",
        }[tensor.dtype]
        header[name] = {
            "dtype": dtype,
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + values.nbytes],
        }
        data += np.ascontiguousarray(values).tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (folder / "mixed.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def rmpack_bytes(config, blobs):
    """config: JSON as bytes; blobs: name to bytes."""
    table_bytes = 8 + 4 + len(config) + 4 + sum(4 + len(name) + 16 for name in blobs)
    out, data, at = b"RWKVMBLE" + struct.pack("<I", len(config)) + config + struct.pack("<I", len(blobs)), b"", 0
    for name, blob in blobs.items():
        at = -(-(at or table_bytes) // 4096) * 4096
        out += struct.pack("<I", len(name)) + name.encode() + struct.pack("<QQ", len(blob), at)
        data += b"\0" * (at - table_bytes - len(data)) + blob
        at += len(blob)
    assert len(out) == table_bytes
    return out + data


def write_rmpack(folder):
    config = json.dumps({"hidden_size": 8, "flower_template": True, "note": "é", "more": {"list": [1, 2]}}).encode()
    blobs = {f"blocks.{i}.att.time_state": counting(8 + i, torch.float16).numpy().tobytes() for i in range(2)}
    (folder / "state.rmpack").write_bytes(rmpack_bytes(config, blobs))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    write_pth(folder)
    write_safetensors(folder)
    write_rmpack(folder)
    for path in sorted(folder.iterdir()):
        print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
