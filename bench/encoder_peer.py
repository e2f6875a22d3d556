#!/usr/bin/env python3
"""Random encoders of published sizes, and PyTorch's speed with them.

    python3 encoder_peer.py siglip|whisper-tiny|whisper-base OUT.safetensors [THREADS]

Writes the weights by the names of transformers with an adapter beside them, for `rwkv convert --kind vision|audio`, and
measures the encoder of transformers (sdpa attention, floats). Needs torch, transformers and safetensors.
"""

import statistics
import sys
import time

import torch
from safetensors.torch import save_file
from transformers import SiglipVisionConfig, SiglipVisionModel, WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

MODEL_WIDTH = 1024
WHISPER = {"whisper-tiny": (384, 4, 6), "whisper-base": (512, 6, 8), "whisper-small": (768, 12, 12)}


def siglip():
    config = SiglipVisionConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
    config.image_size, config.patch_size = 384, 16
    config._attn_implementation = "sdpa"
    model = SiglipVisionModel(config).eval()
    weights = {
        "proj.conv.weight": torch.randn(768, 768, 6) * 0.02,
        "proj.mlp.0.weight": torch.randn(4 * MODEL_WIDTH, 768) * 0.02,
        "proj.mlp.0.bias": torch.zeros(4 * MODEL_WIDTH),
        "proj.mlp.2.weight": torch.randn(MODEL_WIDTH, 4 * MODEL_WIDTH) * 0.02,
        "proj.mlp.2.bias": torch.zeros(MODEL_WIDTH),
    }
    return model, weights, lambda: model(pixel_values=torch.rand(1, 3, 384, 384)), ""


def whisper(name):
    width, layers, heads = WHISPER[name]
    config = WhisperConfig(
        d_model=width, encoder_layers=layers, encoder_attention_heads=heads, encoder_ffn_dim=4 * width
    )
    config._attn_implementation = "sdpa"
    encoder = WhisperEncoder(config).eval()
    weights = {
        "proj.conv.weight": torch.randn(MODEL_WIDTH, width, 3) * 0.02,
        "proj.conv.bias": torch.zeros(MODEL_WIDTH),
    }
    for layer in ("0", "2"):
        weights[f"proj.proj.{layer}.weight"] = torch.randn(MODEL_WIDTH, MODEL_WIDTH) * 0.02
        weights[f"proj.proj.{layer}.bias"] = torch.zeros(MODEL_WIDTH)
    return encoder, weights, lambda: encoder(torch.rand(1, 80, 3000)), "model.encoder."


def main():
    name, path = sys.argv[1:3]
    torch.set_num_threads(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    torch.manual_seed(1)
    model, weights, compute, prefix = siglip() if name == "siglip" else whisper(name)
    weights.update({prefix + key: value for key, value in model.state_dict().items()})
    save_file({key: value.contiguous() for key, value in weights.items()}, path)
    seconds = []
    with torch.no_grad():
        compute()
        for _ in range(5):
            start = time.perf_counter()
            compute()
            seconds.append(time.perf_counter() - start)
    print(f"{name}, PyTorch {torch.__version__}: median {statistics.median(seconds):.3f} s, best {min(seconds):.3f} s")


if __name__ == "__main__":
    main()
