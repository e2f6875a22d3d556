// The layers that SigLIP and Whisper have in common: pre-norm attention without a mask, then a feed-forward network.
#pragma once

#include <vector>

#include "media/encoders/encoder_ops.h"

namespace rwkv::media {

struct TransformerLayer {
  Norm attention_norm;
  Linear query, key, value, attention_output;
  Norm feed_forward_norm;
  Linear up, down;
};

struct TransformerShape {
  std::int64_t positions = 0;
  std::int64_t width = 0;
  std::int64_t heads = 0;  // a divisor of the width
  std::int64_t feed_forward = 0;
  float norm_epsilon = 0;
  Activation activation = Activation::kNone;
};

/// Adds a stage a layer: x += attention(norm x); x += down(activation(up(norm x))). `x` is kept by the plan, positions
/// rows of width values.
void add_transformer(GraphPlan& plan, const TransformerShape& shape, const std::vector<TransformerLayer>& layers,
                     ggml_tensor* x, bool exact_attention);

}  // namespace rwkv::media
