#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turn a checkpoint of train.py into a model folder.

    python3 tools/train/export_gguf.py DIR/model.pt models/tiny

writes rwkv7-tiny.gguf (what llama.cpp and this runtime load), vocab.txt (the same
vocabulary in World format) and heldout.jsonl (questions that were never trained on).

Matrices are stored in single precision: with half precision llama.cpp rounds what it
multiplies them with to half as well, which moves logits by up to a hundredth.  The
embedding is only looked up, so half precision loses nothing there but its own rounding.
"""

import argparse
from collections import Counter
from pathlib import Path

import gguf
import heldout
import numpy as np
import torch
import vocab
from model import HEAD

MAX_BYTES = 4_000_000  # the repository carries the file
# Names in the GGUF file by names in model.py.  Matrices of `x @ m` are stored transposed: GGUF
# wants the input dimension contiguous.
VECTORS = dict(
    time_mix_w0="w0",
    time_mix_a0="a0",
    time_mix_v0="v0",
    time_mix_k_k="k_k",
    time_mix_k_a="k_a",
    time_mix_r_k="r_k",
    channel_mix_lerp_k="f_x_k",
)
MATRICES = dict(
    time_mix_receptance="W_r",
    time_mix_key="W_k",
    time_mix_value="W_v",
    time_mix_output="W_o",
    channel_mix_key="F_k",
    channel_mix_value="F_v",
)
TRANSPOSED = dict(
    time_mix_w1="w1",
    time_mix_w2="w2",
    time_mix_a1="a1",
    time_mix_a2="a2",
    time_mix_v1="v1",
    time_mix_v2="v2",
    time_mix_g1="g1",
    time_mix_g2="g2",
)
NORMS = dict(attn_norm="ln1", attn_norm_2="ln2", time_mix_ln="lnx")
LERP_ORDER = "rwkvag"  # rows of time_mix_lerp_fused


def escaped(token):
    """A token's bytes as text, the way llama.cpp reads them back."""
    try:
        characters = token.decode()
    except UnicodeDecodeError:
        return "".join(f"\\x{byte:02x}" for byte in token)
    named = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return "".join(
        named.get(c, c if c.isprintable() else "".join(f"\\x{b:02x}" for b in c.encode())) for c in characters
    )


def add_metadata(writer, config, tokens):
    """tokens: bytes of every token from id 0, without the padding."""
    rank_w, rank_a, rank_v, rank_g = config["ranks"]
    writer.add_name("RWKV-7 tiny")
    writer.add_license("apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    # RWKV has no limit of its own; the figure only bounds what tools accept by default.
    writer.add_context_length(1 << 20)
    writer.add_embedding_length(config["width"])
    writer.add_block_count(config["layers"])
    writer.add_feed_forward_length(config["ffn"])
    writer.add_head_count(0)
    writer.add_wkv_head_size(HEAD)
    writer.add_layer_norm_eps(1e-5)
    writer.add_decay_lora_rank(rank_w)
    writer.add_iclr_lora_rank(rank_a)
    writer.add_value_residual_mix_lora_rank(rank_v)
    writer.add_gate_lora_rank(rank_g)

    padding = config["vocab"] - len(tokens)
    texts = ["<s>"] + [escaped(token) for token in tokens[1:]]
    texts += [f"[PAD{i}]" for i in range(len(tokens), config["vocab"])]
    types = [gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (len(tokens) - 1)
    writer.add_tokenizer_model("rwkv")
    writer.add_token_list(texts)
    writer.add_token_types(types + [gguf.TokenType.UNUSED] * padding)


def add_tensors(writer, config, state):
    """state: the checkpoint's parameters by name, as float32 arrays."""

    def add(name, values, dtype=np.float32):
        stored = np.ascontiguousarray(values, dtype=dtype)
        if not np.isfinite(stored).all():
            raise SystemExit(f"{name} has values that are not finite in {np.dtype(dtype)}")
        writer.add_tensor(name, stored)

    def norm(name, source):
        add(name + ".weight", state[source + "_w"])
        add(name + ".bias", state[source + "_b"])

    add("token_embd.weight", state["emb"], np.float16)
    norm("token_embd_norm", "ln0")
    for layer in range(config["layers"]):
        block = {name.split(".")[-1]: values for name, values in state.items() if name.startswith(f"blocks.{layer}.")}
        if layer == 0:
            # llama.cpp wants the value residual's tensors here too, of the learning rate's
            # shape, and does not use them.
            block.update({v: np.zeros_like(block[a]) for v, a in (("v0", "a0"), ("v1", "a1"), ("v2", "a2"))})
        prefix = f"blk.{layer}."
        for name, source in NORMS.items():
            add(f"{prefix}{name}.weight", block[source + "_w"])
            add(f"{prefix}{name}.bias", block[source + "_b"])
        for name, source in VECTORS.items():
            add(f"{prefix}{name}.weight", block[source])
        lerp = np.stack([block["x_" + letter] for letter in LERP_ORDER])
        add(f"{prefix}time_mix_lerp_fused.weight", lerp[:, None, None, :])
        for name, source in TRANSPOSED.items():
            add(f"{prefix}{name}.weight", block[source].T)
        for name, source in MATRICES.items():
            add(f"{prefix}{name}.weight", block[source])
    norm("output_norm", "ln_out")
    add("output.weight", state["head"])


def write_gguf(path, checkpoint, tokens):
    config = checkpoint["config"]
    state = {name: tensor.numpy() for name, tensor in checkpoint["state"].items()}
    writer = gguf.GGUFWriter(path, "rwkv7")
    add_metadata(writer, config, tokens)
    add_tensors(writer, config, state)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)

    checkpoint = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
    tokenizer = vocab.Tokenizer()
    path = args.folder / "rwkv7-tiny.gguf"
    write_gguf(path, checkpoint, tokenizer.tokens)
    vocab.write(args.folder / "vocab.txt")
    questions = heldout.questions(tokenizer.letters_apart)
    heldout.write(args.folder / "heldout.jsonl", questions)

    wrong = heldout.differently_tokenised(questions, tokenizer.encode)
    if wrong:
        raise SystemExit(f"{len(wrong)} questions are tokenised differently than in training, as {wrong[0]}")
    size = path.stat().st_size
    if size >= MAX_BYTES:
        raise SystemExit(f"{path} has {size} bytes, more than the {MAX_BYTES} that fit into the repository")
    parameters = sum(tensor.numel() for tensor in checkpoint["state"].values())
    print(f"{path}: {parameters} parameters, {size} bytes")
    print(
        "checkpoint: "
        + ", ".join(
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in checkpoint["info"].items()
        )
    )
    tasks = Counter(question["task"] for question in questions)
    print(f"{len(questions)} held-out questions: " + ", ".join(f"{task} {n}" for task, n in tasks.items()))


if __name__ == "__main__":
    main()
