#!/usr/bin/env python3
"""Small encoders of pictures and sound with random weights, and what transformers and torch make of them.

    python3 encoders.py OUTPUT_FOLDER

Writes siglip.safetensors and whisper.safetensors for tests/data/encoders: weights by the names of their authors, and
under `expected.` the inputs and results. Weights are halves, so that files of halves lose nothing; everything is computed
in floats. Needs torch 2.5.1, transformers 4.46.2 and safetensors.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional
from transformers import SiglipVisionConfig, SiglipVisionModel, WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

WIDTH = 48
MODEL_WIDTH = 32  # of the language model


def halves(module: torch.nn.Module, seed: int) -> None:
    """Larger than the usual first weights, so that each of them shows in the results."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            scale = 0.4 if parameter.dim() == 1 else 1.5 / parameter[0].numel() ** 0.5
            values = torch.randn(parameter.shape, generator=generator) * scale
            if "norm" in name and name.endswith("weight"):
                values = values + 1
            parameter.copy_(values.half().float())


def conv_columns(x: torch.Tensor, weight: torch.Tensor, bias, stride: int, padding: int) -> torch.Tensor:
    return functional.conv1d(x.T[None], weight, bias, stride=stride, padding=padding)[0].T


def vision_adapters(hidden: torch.Tensor, proj: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The four published kinds, as their training code states them."""

    def mlp(x, activation):
        x = functional.linear(x, proj["mlp.0.weight"], proj["mlp.0.bias"])
        return functional.linear(activation(x), proj["mlp.2.weight"], proj["mlp.2.bias"])

    def with_norm(x):
        h = mlp(x, functional.relu)
        return h + functional.layer_norm(h, (MODEL_WIDTH,), proj["pre_norm.weight"], proj["pre_norm.bias"], 1e-5)

    side = int(hidden.shape[0] ** 0.5)
    blocks = hidden.view(side // 4, 4, side // 4, 4, WIDTH).permute(0, 2, 1, 3, 4).reshape(-1, 16 * WIDTH)
    return {
        "siglip": with_norm(hidden),
        "siglip_conv": with_norm(conv_columns(hidden, proj["conv3.weight"], None, 2, 0)),
        "auto_siglip2": mlp(conv_columns(hidden, proj["conv.weight"], None, 5, 0), functional.gelu),
        "siglip2": functional.linear(blocks, proj["proj.weight"]),
    }


class Adapter(torch.nn.Module):
    """Holds the weights of all kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = torch.nn.Sequential(
            torch.nn.Linear(WIDTH, 4 * MODEL_WIDTH), torch.nn.ReLU(), torch.nn.Linear(4 * MODEL_WIDTH, MODEL_WIDTH)
        )
        self.pre_norm = torch.nn.LayerNorm(MODEL_WIDTH)
        self.conv = torch.nn.Conv1d(WIDTH, WIDTH, 6, stride=5, bias=False)
        self.conv3 = torch.nn.Conv1d(WIDTH, WIDTH, 3, stride=2, bias=False)
        self.proj = torch.nn.Linear(16 * WIDTH, MODEL_WIDTH, bias=False)


def siglip() -> dict[str, torch.Tensor]:
    config = SiglipVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=3,
        image_size=64,
        patch_size=8,
        attn_implementation="eager",
    )
    model = SiglipVisionModel(config).eval()
    halves(model, 1)
    adapter = Adapter()
    halves(adapter, 2)
    pixels = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(3)).half().float()
    hidden = model(pixel_values=pixels).last_hidden_state[0]
    tensors = {name: value.half() for name, value in model.state_dict().items()}
    weights = adapter.state_dict()
    tensors.update({"proj." + name: value.half() for name, value in weights.items()})
    tensors["expected.pixels"] = pixels[0].half()
    tensors["expected.hidden"] = hidden
    tensors.update({"expected." + kind: rows for kind, rows in vision_adapters(hidden, weights).items()})
    return tensors


def whisper() -> dict[str, torch.Tensor]:
    config = WhisperConfig(
        num_mel_bins=80,
        d_model=WIDTH,
        encoder_layers=2,
        encoder_attention_heads=3,
        encoder_ffn_dim=96,
        max_source_positions=100,
        attn_implementation="eager",
    )
    encoder = WhisperEncoder(config).eval()
    positions = encoder.embed_positions.weight.half().float().clone()
    halves(encoder, 4)
    with torch.no_grad():
        encoder.embed_positions.weight.copy_(positions)
    adapter = torch.nn.Module()
    adapter.conv = torch.nn.Conv1d(WIDTH, 64, 3)
    adapter.proj = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, MODEL_WIDTH))
    halves(adapter, 5)
    mel = torch.rand((1, 80, 200), generator=torch.Generator().manual_seed(6)) * 2 - 1
    hidden = encoder(mel).last_hidden_state[0]
    tensors = {"model.encoder." + name: value.half() for name, value in encoder.state_dict().items()}
    weights = adapter.state_dict()
    tensors.update({"proj." + name: value.half() for name, value in weights.items()})
    tensors["expected.mel"] = mel[0]
    tensors["expected.hidden"] = hidden
    kept = hidden[:57]
    for stride, padding in ((1, 1), (2, 0), (2, 2)):
        x = conv_columns(kept, weights["conv.weight"], weights["conv.bias"], stride, padding)
        x = torch.relu(functional.linear(x, weights["proj.0.weight"], weights["proj.0.bias"]))
        rows = functional.linear(x, weights["proj.2.weight"], weights["proj.2.bias"])
        tensors[f"expected.rows_{stride}_{padding}"] = rows
    return tensors


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    with torch.no_grad():
        for name, make in (("siglip", siglip), ("whisper", whisper)):
            save_file({key: value.contiguous() for key, value in make().items()}, folder / f"{name}.safetensors")


if __name__ == "__main__":
    main()
