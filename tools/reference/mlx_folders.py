"""Folders of quantised RWKV-7 as MLX writes them, for tests/data/convert: run by hand where `mlx` is installed.

    python tools/reference/mlx_folders.py tests/data/convert

Random weights, one layer, quantised by mx.quantize in 4, 6 and 8 bits. expected.json has some values of each matrix as
mx.dequantize gives them, so the numbers that the tests expect are MLX's own.
"""

import json
import random
import sys
from pathlib import Path

import mlx.core as mx

WIDTH, HEAD, FEED_FORWARD, VOCABULARY, RANK, DECAY_RANK = 64, 32, 128, 40, 8, 64
KINDS = {4: (64, mx.bfloat16), 6: (32, mx.float32), 8: (64, mx.float16)}


def tensors():
    def make(*shape):
        return mx.random.normal(shape) * 0.5

    def norm(name, *shape):
        return {f"{name}.weight": make(*shape), f"{name}.bias": make(*shape)}

    heads = WIDTH // HEAD
    layer = "model.layers.0."
    all_of_them = {
        "model.embeddings.weight": make(VOCABULARY, WIDTH),
        "lm_head.weight": make(VOCABULARY, WIDTH),
        layer + "ffn.x_k": make(WIDTH),
        layer + "ffn.key.weight": make(FEED_FORWARD, WIDTH),
        layer + "ffn.value.weight": make(WIDTH, FEED_FORWARD),
    }
    all_of_them |= norm("model.norm", WIDTH) | norm(layer + "attn.g_norm", heads, HEAD)
    for name in ("pre_norm", "attn_norm", "ffn_norm"):
        all_of_them |= norm(layer + name, WIDTH)
    for name in "rwkvag":
        all_of_them[f"{layer}attn.x_{name}"] = make(1, 1, WIDTH)
    for name in ("k_k", "k_a", "r_k"):
        all_of_them[f"{layer}attn.{name}"] = make(heads, HEAD)
    for name in "rkvo":
        all_of_them[f"{layer}attn.{name}_proj.weight"] = make(WIDTH, WIDTH)
    for name in "wag":
        rank = DECAY_RANK if name == "w" else RANK
        all_of_them[f"{layer}attn.{name}_lora.lora.0.weight"] = make(rank, WIDTH)
        all_of_them[f"{layer}attn.{name}_lora.lora.2.weight"] = make(WIDTH, rank)
        if name != "g":
            all_of_them[f"{layer}attn.{name}_lora.lora.2.bias"] = make(WIDTH)
    return all_of_them


def is_quantised(name, tensor, group):
    is_matrix = name.endswith(".weight") and tensor.ndim == 2 and "norm" not in name
    return is_matrix and tensor.shape[1] % group == 0


def write_folder(folder, bits, group, dtype):
    folder.mkdir(parents=True, exist_ok=True)
    saved, expected = {}, {}
    picker = random.Random(bits)
    for name, tensor in tensors().items():
        tensor = tensor.astype(dtype)
        if not is_quantised(name, tensor, group):
            saved[name] = tensor
            continue
        matrix = name.removesuffix(".weight")
        own_bits = 8 if "embeddings" in name or "lora.2" in name else bits
        words, scales, biases = mx.quantize(tensor, group_size=group, bits=own_bits)
        saved |= {name: words, f"{matrix}.scales": scales, f"{matrix}.biases": biases}
        # In float32, so that the last rounding to a half is not part of what is expected.
        values = mx.dequantize(
            words, scales.astype(mx.float32), biases.astype(mx.float32), group_size=group, bits=own_bits
        )
        places = [(picker.randrange(tensor.shape[0]), picker.randrange(tensor.shape[1])) for _ in range(24)]
        expected[name] = [[row, column, values[row, column].item()] for row, column in places]
    mx.save_safetensors(str(folder / "model.safetensors"), saved, {"format": "mlx"})
    config = {"model_type": "rwkv7", "quantization": {"group_size": group, "bits": bits, "mode": "affine"}}
    (folder / "config.json").write_text(json.dumps(config) + "\n")
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    for bits, (group, dtype) in KINDS.items():
        mx.random.seed(bits)
        write_folder(Path(sys.argv[1]) / f"mlx{bits}", bits, group, dtype)
