# SPDX-License-Identifier: Apache-2.0
"""RWKV-7 ("x070") language model in PyTorch, with the recurrence in C.

Shapes in this file: B rows, T tokens per row, C width, H heads of 64, V tokens
in the vocabulary.  One row may hold several conversations; ``keep`` is 0 at the
first token of each of them and 1 elsewhere, and wipes the state there.
"""

import ctypes
import math
import subprocess
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

HEAD = 64
CHUNK = 16  # must agree with wkv7.c
GROUP_NORM_EPS = 64e-5
DECAY_SCALE = 0.606531  # exp(-0.5)

_library = None


def _wkv7_library():
    """Compile wkv7.c for this machine (once per process) and load it."""
    global _library
    if _library is None:
        source = Path(__file__).with_name("wkv7.c")
        target = Path(tempfile.mkdtemp(prefix="wkv7-")) / "wkv7.so"
        subprocess.run(
            [
                "gcc",
                "-O3",
                "-march=native",
                "-mprefer-vector-width=512",
                "-ffast-math",
                "-fopenmp",
                "-shared",
                "-fPIC",
                str(source),
                "-o",
                str(target),
            ],
            check=True,
        )
        _library = ctypes.CDLL(str(target))
    return _library


def _pointers(*tensors):
    return [ctypes.c_void_p(t.data_ptr()) for t in tensors]


class WKV7(torch.autograd.Function):
    """y = wkv7(r, w, k, v, a, b); every argument and the result are (B, T, H, 64)."""

    @staticmethod
    def forward(ctx, *inputs):
        inputs = [t.contiguous() for t in inputs]
        B, T, H, n = inputs[0].shape
        assert n == HEAD and all(t.dtype == torch.float32 for t in inputs)
        y = torch.empty_like(inputs[0])
        saved = torch.empty(B, H, (T + CHUNK - 1) // CHUNK, HEAD, HEAD)
        _wkv7_library().wkv7_forward(B, T, H, *_pointers(*inputs, y, saved))
        ctx.save_for_backward(*inputs, saved)
        return y

    @staticmethod
    def backward(ctx, dy):
        *inputs, saved = ctx.saved_tensors
        B, T, H, _ = inputs[0].shape
        dy = dy.contiguous()
        grads = [torch.empty_like(t) for t in inputs]
        _wkv7_library().wkv7_backward(B, T, H, *_pointers(*inputs, saved, dy, *grads))
        return tuple(grads)


def _shift(x, keep):
    """Previous token's x, zero at the start of a conversation. (B, T, C) -> (B, T, C)."""
    return F.pad(x, (0, 0, 1, -1)) * keep


def time_mix_inputs(x, keep, v_first, p):
    """Everything of the time mix before the recurrence.

    x: (B, T, C) residual stream; keep: (B, T, 1); v_first: (B, T, C) or None in
    layer 0; p: the layer's parameters by name.  Returns r, w, k, v, a, b for the
    recurrence and the gate g, all (B, T, C).
    """
    B, T, C = x.shape
    x = F.layer_norm(x, (C,), p["ln1_w"], p["ln1_b"], 1e-5)
    sx = _shift(x, keep) - x
    r = F.linear(x + sx * p["x_r"], p["W_r"])
    k = F.linear(x + sx * p["x_k"], p["W_k"])
    xv = x + sx * p["x_v"]
    v = F.linear(xv, p["W_v"])
    decay = p["w0"] + torch.tanh((x + sx * p["x_w"]) @ p["w1"]) @ p["w2"]
    w = torch.exp(-DECAY_SCALE * torch.sigmoid(decay))
    a = torch.sigmoid(p["a0"] + (x + sx * p["x_a"]) @ p["a1"] @ p["a2"])
    g = torch.sigmoid((x + sx * p["x_g"]) @ p["g1"]) @ p["g2"]
    if v_first is not None:
        v = v + (v_first - v) * torch.sigmoid(p["v0"] + xv @ p["v1"] @ p["v2"])
    kk = (k * p["k_k"]).view(B, T, C // HEAD, HEAD)
    kk = kk * torch.rsqrt((kk * kk).sum(-1, keepdim=True) + 1e-12)
    kk = kk.view(B, T, C)
    k = k * (1 + (a - 1) * p["k_a"])
    # w = a = 0 at the first token of a conversation: nothing of the old state survives.
    return r, w * keep, k, v, -kk * keep, kk * a, g


def block_rest(x, y, r, k, v, g, keep, p):
    """The block after the recurrence: output of the time mix, then the channel mix.

    x: (B, T, C) residual stream before the block; y: (B, T, C) from the recurrence.
    """
    B, T, C = x.shape
    H = C // HEAD
    y = y.view(B, T, H, HEAD)
    mean = y.mean(-1, keepdim=True)
    centred = y - mean
    var = (centred * centred).mean(-1, keepdim=True)
    y = (centred * torch.rsqrt(var + GROUP_NORM_EPS)).view(B, T, C) * p["lnx_w"] + p["lnx_b"]
    bonus = (r * k * p["r_k"]).view(B, T, H, HEAD).sum(-1, keepdim=True)
    y = y + (bonus * v.view(B, T, H, HEAD)).view(B, T, C)
    x = x + F.linear(y * g, p["W_o"])
    z = F.layer_norm(x, (C,), p["ln2_w"], p["ln2_b"], 1e-5)
    hidden = torch.relu(F.linear(z + (_shift(z, keep) - z) * p["f_x_k"], p["F_k"]))
    return x + F.linear(hidden * hidden, p["F_v"])


class RWKV7(nn.Module):
    """The whole model; ``forward`` gives the logits (B, T, V)."""

    def __init__(self, vocab, width=128, layers=6, ffn=512, ranks=(16, 16, 16, 32), seed=0):
        """ranks: of the decay, learning-rate, value-residual and gate LoRAs."""
        super().__init__()
        torch.manual_seed(seed)
        self.config = dict(vocab=vocab, width=width, layers=layers, ffn=ffn, ranks=list(ranks))
        C = width
        rank_w, rank_a, rank_v, rank_g = ranks
        linear = torch.arange(C) / (C - 1) - 0.5
        in_head = (torch.arange(C) % HEAD - (HEAD - 1) / 2) / ((HEAD - 1) / 2)
        zigzag = in_head * in_head.abs()
        ramp = torch.arange(C) / C

        def ortho(rows, cols, gain):
            t = torch.empty(rows, cols)
            nn.init.orthogonal_(t, gain=gain)
            return t

        def uniform(rows, cols, bound):
            return torch.empty(rows, cols).uniform_(-bound, bound)

        self.emb = nn.Parameter(torch.randn(vocab, C) * 0.1)
        self.ln0_w, self.ln0_b = nn.Parameter(torch.ones(C)), nn.Parameter(torch.zeros(C))
        self.blocks = nn.ModuleList()
        root = 1 / math.sqrt(C)
        for layer in range(layers):
            up = layer / max(1, layers - 1)  # 0 in the first layer, 1 in the last
            down = 1 - layer / layers  # 1 in the first layer, almost 0 in the last
            speed = -6 + 6 * (torch.arange(C) / (C - 1)) ** (1 + up**0.3)
            p = dict(
                ln1_w=torch.ones(C),
                ln1_b=torch.zeros(C),
                ln2_w=torch.ones(C),
                ln2_b=torch.zeros(C),
                x_r=1 - ramp ** (0.2 * down),
                x_w=1 - ramp ** (0.9 * down),
                x_k=1 - ramp ** (0.7 * down),
                x_v=1 - ramp ** (0.7 * down),
                x_a=1 - ramp ** (0.9 * down),
                x_g=1 - ramp ** (0.2 * down),
                w0=speed + 0.5 + 2.5 * zigzag,
                w1=torch.zeros(C, rank_w),
                w2=ortho(rank_w, C, 0.1),
                a0=-0.19 + 0.3 * zigzag + 0.4 * linear,
                a1=torch.zeros(C, rank_a),
                a2=ortho(rank_a, C, 0.1),
                g1=torch.zeros(C, rank_g),
                g2=ortho(rank_g, C, 0.1),
                k_k=torch.full((C,), 0.85),
                k_a=torch.ones(C),
                r_k=torch.zeros(C),
                W_r=uniform(C, C, 0.5 * root),
                W_k=uniform(C, C, 0.05 * root),
                W_v=uniform(C, C, 0.5 * root),
                W_o=torch.zeros(C, C),
                lnx_w=torch.full((C,), ((1 + layer) / layers) ** 0.7),
                lnx_b=torch.zeros(C),
                f_x_k=1 - ramp ** (down**4),
                F_k=uniform(ffn, C, 0.5 * root),
                F_v=torch.zeros(C, ffn),
            )
            if layer > 0:
                p.update(v0=0.73 - 0.4 * linear, v1=torch.zeros(C, rank_v), v2=ortho(rank_v, C, 0.1))
            self.blocks.append(nn.ParameterDict({n: nn.Parameter(t) for n, t in p.items()}))
        self.ln_out_w, self.ln_out_b = nn.Parameter(torch.ones(C)), nn.Parameter(torch.zeros(C))
        self.head = nn.Parameter(ortho(vocab, C, 0.5 * math.sqrt(max(1.0, vocab / C))))
        self._inputs, self._rest = time_mix_inputs, block_rest

    def compile(self):
        """Fuse the element-wise parts with torch.compile (optional, needs torch 2)."""
        self._inputs = torch.compile(time_mix_inputs, dynamic=False)
        self._rest = torch.compile(block_rest, dynamic=False)

    def features(self, tokens, keep, plain=False):
        """tokens: (B, T) long; keep: (B, T) float.  Returns the last LayerNorm's output.

        plain: leave the compiled functions aside (for shapes other than the training one).
        """
        inputs, rest = (time_mix_inputs, block_rest) if plain else (self._inputs, self._rest)
        C = self.config["width"]
        B, T = tokens.shape
        keep = keep.unsqueeze(-1)
        x = F.layer_norm(F.embedding(tokens, self.emb), (C,), self.ln0_w, self.ln0_b, 1e-5)
        v_first = None
        for block in self.blocks:
            p = dict(block.items())
            r, w, k, v, a, b, g = inputs(x, keep, v_first, p)
            v_first = v if v_first is None else v_first
            heads = [t.view(B, T, C // HEAD, HEAD) for t in (r, w, k, v, a, b)]
            y = WKV7.apply(*heads).view(B, T, C)
            x = rest(x, y, r, k, v, g, keep, p)
        return F.layer_norm(x, (C,), self.ln_out_w, self.ln_out_b, 1e-5)

    def forward(self, tokens, keep, plain=False):
        return F.linear(self.features(tokens, keep, plain), self.head)
