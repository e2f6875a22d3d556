# SPDX-License-Identifier: Apache-2.0
"""A GGUF model file for the reference: its weights in double precision and its tokens."""

import re

import gguf
import numpy as np

ESCAPES = {"t": b"\t", "n": b"\n", "r": b"\r"}


def unescaped(text):
    """Bytes of a token text of tokenizer.ggml.tokens."""

    def replace(match):
        escape = match[0][1:].decode()
        if escape[0] == "x":
            return bytes([int(escape[1:], 16)])
        return ESCAPES.get(escape, escape.encode())

    return re.sub(rb"\\(?:x[0-9a-f]{2}|[^x])", replace, text.encode(), flags=re.DOTALL)


class GgufModel:
    """tensors: name -> float64 array, dimensions in the order of numpy (contiguous one last)."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.fields = {name: field.contents() for name, field in reader.fields.items()}
        self.architecture = self.fields["general.architecture"]
        self.tensors = {}
        for tensor in reader.tensors:
            shape = tuple(int(n) for n in reversed(tensor.shape))
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            self.tensors[tensor.name] = np.asarray(values, dtype=np.float64).reshape(shape)

    def number(self, key):
        return self.fields[f"{self.architecture}.{key}"]

    def layer(self, index):
        """The tensors of one layer by their names without "blk.N." and ".weight"."""
        prefix = f"blk.{index}."
        return {
            name.removeprefix(prefix).removesuffix(".weight"): values
            for name, values in self.tensors.items()
            if name.startswith(prefix)
        }

    def encode(self, text):
        """Token ids of text by greedy longest match over its UTF-8 bytes."""
        ids = {
            unescaped(t): i
            for i, t in enumerate(self.fields["tokenizer.ggml.tokens"])
            if self.fields["tokenizer.ggml.token_type"][i] == gguf.TokenType.NORMAL
        }
        longest = max(map(len, ids))
        data, at, tokens = text.encode(), 0, []
        while at < len(data):
            piece = next(data[at : at + n] for n in range(longest, 0, -1) if data[at : at + n] in ids)
            tokens.append(ids[piece])
            at += len(piece)
        return tokens
