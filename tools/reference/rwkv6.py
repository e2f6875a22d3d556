# SPDX-License-Identifier: Apache-2.0
"""RWKV-6 token by token in double precision, from the equations of the Eagle and Finch paper
(Peng et al., 2024) with the file format's halving of activations every few layers.
"""

import numpy as np
from layers import group_norm, layer_norm, sigmoid


class Rwkv6:
    """Keeps the state of one sequence; ``step`` feeds a token and gives the logits."""

    def __init__(self, model):
        """model: a GgufModel of architecture rwkv6 with fused lerp tensors."""
        self.tensors = model.tensors
        self.layers = [model.layer(i) for i in range(model.number("block_count"))]
        self.width = model.number("embedding_length")
        self.size = model.number("wkv.head_size")
        self.heads = self.width // self.size
        self.eps = model.number("attention.layer_norm_epsilon")
        self.rescale_every = model.number("rescale_every_n_layers")
        self.reset()

    def reset(self):
        layers = len(self.layers)
        self.time_shift = np.zeros((layers, self.width))
        self.channel_shift = np.zeros((layers, self.width))
        # wkv[layer, head, i, j]: i runs over the key, j over the value.
        self.wkv = np.zeros((layers, self.heads, self.size, self.size))

    def norm(self, x, name, tensors):
        weight = tensors[name] if name in tensors else tensors[name + ".weight"]
        return layer_norm(x, weight, tensors[name + ".bias"], self.eps)

    def time_mix(self, index, p, x):
        per_head = (self.heads, self.size)
        dx = self.time_shift[index] - x
        self.time_shift[index] = x
        # How much of the token before is mixed in depends on the input itself.
        low_rank = np.tanh(p["time_mix_w1"] @ (x + dx * p["time_mix_lerp_x"])).reshape(5, -1)
        offsets = np.stack([p["time_mix_w2"][i] @ low_rank[i] for i in range(5)])
        x_w, x_k, x_v, x_r, x_g = x + dx * (p["time_mix_lerp_fused"].reshape(5, self.width) + offsets)

        r = (p["time_mix_receptance"] @ x_r).reshape(per_head)
        k = (p["time_mix_key"] @ x_k).reshape(per_head)
        v = (p["time_mix_value"] @ x_v).reshape(per_head)
        g = p["time_mix_gate"] @ x_g
        decay = p["time_mix_decay"] + p["time_mix_decay_w2"] @ np.tanh(p["time_mix_decay_w1"] @ x_w)
        w = np.exp(-np.exp(decay)).reshape(per_head)
        first = p["time_mix_first"].reshape(per_head)

        y = np.empty(per_head)
        for h in range(self.heads):
            new = np.outer(k[h], v[h])
            y[h] = r[h] @ (self.wkv[index, h] + first[h][:, None] * new)
            self.wkv[index, h] = self.wkv[index, h] * w[h][:, None] + new
        out = group_norm(y, p["time_mix_ln"], p["time_mix_ln.bias"])
        return p["time_mix_output"] @ (out * g * sigmoid(g))

    def channel_mix(self, index, p, x):
        dx = self.channel_shift[index] - x
        self.channel_shift[index] = x
        hidden = np.maximum(p["channel_mix_key"] @ (x + dx * p["channel_mix_lerp_k"]), 0) ** 2
        receptance = p["channel_mix_receptance"] @ (x + dx * p["channel_mix_lerp_r"])
        return sigmoid(receptance) * (p["channel_mix_value"] @ hidden)

    def step(self, token):
        x = self.norm(self.tensors["token_embd.weight"][token], "token_embd_norm", self.tensors)
        for index, p in enumerate(self.layers):
            x = x + self.time_mix(index, p, self.norm(x, "attn_norm", p))
            x = x + self.channel_mix(index, p, self.norm(x, "attn_norm_2", p))
            if self.rescale_every > 0 and (index + 1) % self.rescale_every == 0:
                x = x / 2
        return self.tensors["output.weight"] @ self.norm(x, "output_norm", self.tensors)
