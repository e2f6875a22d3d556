# SPDX-License-Identifier: Apache-2.0
"""Functions that RWKV-6 and RWKV-7 share, on float64 vectors."""

import numpy as np

GROUP_NORM_EPS = 64e-5


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def layer_norm(x, weight, bias, eps):
    """Over the last dimension."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps) * weight + bias


def group_norm(y, weight, bias):
    """y: (heads, head size), each head on its own.  Returns a vector of the width."""
    return layer_norm(y, 1, 0, GROUP_NORM_EPS).reshape(-1) * weight + bias
