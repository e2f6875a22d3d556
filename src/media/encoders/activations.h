// The activations of encoders, in floats: ggml looks GELU up in a table of halves, which is off by up to 5e-4.
#pragma once

#include <cstddef>

// activations.cpp is compiled with instructions that not every processor has, so it includes nothing but this.
namespace rwkv::media {

/// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), within 2e-7 max(1, |x|).
void gelu_tanh(float* values, std::size_t count);
/// x/2 (1 + erf(x / sqrt 2)), within 3e-7 max(1, |x|).
void gelu_erf(float* values, std::size_t count);
/// x / (1 + exp(-1.702 x)).
void gelu_quick(float* values, std::size_t count);
/// x / (1 + exp(-x)).
void silu(float* values, std::size_t count);

}  // namespace rwkv::media
