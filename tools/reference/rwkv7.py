# SPDX-License-Identifier: Apache-2.0
"""RWKV-7 token by token in double precision, from the equations of the RWKV-7 paper
(Peng et al., "RWKV-7 Goose", 2025).  Slow, short, and independent of the training code.
"""

import numpy as np
from layers import group_norm, layer_norm, sigmoid

DECAY = np.exp(-0.5)  # engines use the rounded 0.606531


class Rwkv7:
    """Keeps the state of one sequence; ``step`` feeds a token and gives the logits."""

    def __init__(self, model):
        """model: a GgufModel of architecture rwkv7."""
        self.tensors = model.tensors
        self.layers = [model.layer(i) for i in range(model.number("block_count"))]
        self.width = model.number("embedding_length")
        self.size = model.number("wkv.head_size")
        self.heads = self.width // self.size
        self.eps = model.number("attention.layer_norm_epsilon")
        self.reset()

    def reset(self):
        layers = len(self.layers)
        self.time_shift = np.zeros((layers, self.width))
        self.channel_shift = np.zeros((layers, self.width))
        # wkv[layer, head, i, j]: i runs over the value, j over the key.
        self.wkv = np.zeros((layers, self.heads, self.size, self.size))

    def norm(self, x, name, tensors):
        weight = tensors[name] if name in tensors else tensors[name + ".weight"]
        return layer_norm(x, weight, tensors[name + ".bias"], self.eps)

    def time_mix(self, index, p, x, v_first):
        """x: normalised input.  Returns the output and the first layer's value."""
        per_head = (self.heads, self.size)
        dx = self.time_shift[index] - x
        self.time_shift[index] = x
        lerp = p["time_mix_lerp_fused"].reshape(6, self.width)
        x_r, x_w, x_k, x_v, x_a, x_g = x + dx * lerp

        r = p["time_mix_receptance"] @ x_r
        k = p["time_mix_key"] @ x_k
        v = p["time_mix_value"] @ x_v
        w = np.exp(-DECAY * sigmoid(p["time_mix_w0"] + p["time_mix_w2"] @ np.tanh(p["time_mix_w1"] @ x_w)))
        a = sigmoid(p["time_mix_a0"] + p["time_mix_a2"] @ (p["time_mix_a1"] @ x_a))
        g = p["time_mix_g2"] @ sigmoid(p["time_mix_g1"] @ x_g)
        if index == 0:
            v_first = v
        else:
            nu = sigmoid(p["time_mix_v0"] + p["time_mix_v2"] @ (p["time_mix_v1"] @ x_v))
            v = v + (v_first - v) * nu

        removal = (k * p["time_mix_k_k"]).reshape(per_head)
        removal = removal / np.maximum(np.linalg.norm(removal, axis=1, keepdims=True), 1e-12)
        k = k * (1 + (a - 1) * p["time_mix_k_a"])
        r, w, k, v, a = (t.reshape(per_head) for t in (r, w, k, v, a))

        y = np.empty(per_head)
        for h in range(self.heads):
            s = self.wkv[index, h]
            # The transition diag(w) - removal (removal * a)^T acts on the key side.
            s = s * w[h] - np.outer(s @ removal[h], removal[h] * a[h]) + np.outer(v[h], k[h])
            self.wkv[index, h] = s
            y[h] = s @ r[h]

        out = group_norm(y, p["time_mix_ln"], p["time_mix_ln.bias"])
        bonus = (r * k * p["time_mix_r_k"].reshape(per_head)).sum(axis=1, keepdims=True) * v
        return p["time_mix_output"] @ ((out + bonus.reshape(-1)) * g), v_first

    def channel_mix(self, index, p, x):
        dx = self.channel_shift[index] - x
        self.channel_shift[index] = x
        hidden = np.maximum(p["channel_mix_key"] @ (x + dx * p["channel_mix_lerp_k"]), 0) ** 2
        return p["channel_mix_value"] @ hidden

    def step(self, token):
        x = self.norm(self.tensors["token_embd.weight"][token], "token_embd_norm", self.tensors)
        v_first = None
        for index, p in enumerate(self.layers):
            out, v_first = self.time_mix(index, p, self.norm(x, "attn_norm", p), v_first)
            x = x + out
            x = x + self.channel_mix(index, p, self.norm(x, "attn_norm_2", p))
        return self.tensors["output.weight"] @ self.norm(x, "output_norm", self.tensors)
