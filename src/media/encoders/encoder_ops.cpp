#include "media/encoders/encoder_ops.h"

#include <algorithm>
#include <cstring>

#include "media/encoders/activations.h"

namespace rwkv::media {
namespace {

// Some 30 ms of a core with AVX2; between parts it is seen whether to stop.
constexpr double kFlopsAtOnce = 1e9;
constexpr std::int64_t kRowsTogether = 32;  // matrix products like whole tiles

template <void (*kFunction)(float*, std::size_t)>
void apply(ggml_tensor* target, const ggml_tensor*, int thread, int threads, void*) {
  // In place: target and source are one. Shares begin at whole cache lines.
  const auto count = static_cast<std::size_t>(ggml_nelements(target));
  const auto share = (count / static_cast<std::size_t>(threads) + 16) / 16 * 16;
  const std::size_t begin = std::min(count, share * static_cast<std::size_t>(thread));
  kFunction(static_cast<float*>(target->data) + begin, std::min(share, count - begin));
}

struct GatherPart {
  const Gather* gather;
  std::int64_t first;
};

void gather_columns(ggml_tensor* target, int thread, int threads, void* data) {
  const auto& part = *static_cast<const GatherPart*>(data);
  const std::int64_t taps = part.gather->taps;
  const ggml_tensor* source = target->src[0];
  const std::int64_t width = source->ne[0];
  const std::int64_t value_step = part.gather->interleaved ? taps : 1;
  const std::int64_t tap_step = part.gather->interleaved ? 1 : width;
  for (std::int64_t row = thread; row < target->ne[1]; row += threads) {
    float* to = static_cast<float*>(target->data) + row * target->ne[0];
    const std::int32_t* sources = part.gather->sources.data() + (part.first + row) * taps;
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      float* at = to + tap * tap_step;
      if (sources[tap] < 0) {
        for (std::int64_t i = 0; i < width; ++i) at[i * value_step] = 0;
      } else {
        const float* from = static_cast<const float*>(source->data) + sources[tap] * width;
        for (std::int64_t i = 0; i < width; ++i) at[i * value_step] = from[i];
      }
    }
  }
}

}  // namespace

ggml_tensor* Ops::linear(const Linear& layer, ggml_tensor* x) const {
  ggml_tensor* y = ggml_mul_mat(context, layer.weight, x);
  return layer.bias == nullptr ? y : ggml_add_inplace(context, y, layer.bias);
}

ggml_tensor* Ops::norm(const Norm& layer, ggml_tensor* x, float epsilon) const {
  ggml_tensor* y = ggml_mul_inplace(context, ggml_norm(context, x, epsilon), layer.weight);
  return ggml_add_inplace(context, y, layer.bias);
}

ggml_tensor* Ops::activate(Activation activation, ggml_tensor* x) const {
  const auto map = [&](ggml_custom1_op_t function) {
    return ggml_map_custom1_inplace(context, x, function, GGML_N_TASKS_MAX, nullptr);
  };
  switch (activation) {
    case Activation::kNone: break;
    case Activation::kRelu: return ggml_relu_inplace(context, x);
    case Activation::kGeluTanh: return map(apply<gelu_tanh>);
    case Activation::kGeluErf: return map(apply<gelu_erf>);
    case Activation::kGeluQuick: return map(apply<gelu_quick>);
    case Activation::kSilu: return map(apply<silu>);
  }
  return x;
}

ggml_tensor* Ops::rows(ggml_tensor* matrix, std::int64_t first, std::int64_t count) const {
  return ggml_view_2d(context, matrix, matrix->ne[0], count, matrix->nb[1],
                      static_cast<std::size_t>(first) * matrix->nb[1]);
}

void Ops::store(ggml_tensor* x, ggml_tensor* target) const {
  ggml_build_forward_expand(graph, ggml_cpy(context, x, target));
}

std::int64_t convolved_rows(std::int64_t rows, std::int64_t taps, std::int64_t stride, std::int64_t padding) {
  const std::int64_t span = rows + 2 * padding - taps;
  return span < 0 ? 0 : span / stride + 1;
}

Gather convolution(std::int64_t rows, std::int64_t taps, std::int64_t stride, std::int64_t padding) {
  Gather gather{convolved_rows(rows, taps, stride, padding), taps, {}};
  gather.sources.reserve(static_cast<std::size_t>(gather.rows * taps));
  for (std::int64_t row = 0; row < gather.rows; ++row) {
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      const std::int64_t source = row * stride + tap - padding;
      gather.sources.push_back(source < 0 || source >= rows ? -1 : static_cast<std::int32_t>(source));
    }
  }
  return gather;
}

Gather blocks_of_square(std::int64_t side, std::int64_t factor) {
  const std::int64_t blocks = side / factor;
  Gather gather{blocks * blocks, factor * factor, {}, false};
  for (std::int64_t row = 0; row < gather.rows; ++row) {
    for (std::int64_t tap = 0; tap < gather.taps; ++tap) {
      const std::int64_t y = row / blocks * factor + tap / factor;
      const std::int64_t x = row % blocks * factor + tap % factor;
      gather.sources.push_back(static_cast<std::int32_t>(y * side + x));
    }
  }
  return gather;
}

ggml_tensor* gather_rows(GraphPlan& plan, const Ops& ops, const Gather* gather, ggml_tensor* x, std::int64_t first,
                         std::int64_t count) {
  GatherPart* part = plan.keep(GatherPart{gather, first});
  return ggml_custom_4d(ops.context, GGML_TYPE_F32, gather->taps * x->ne[0], count, 1, 1, &x, 1, gather_columns,
                        GGML_N_TASKS_MAX, part);
}

std::int64_t rows_at_once(std::int64_t rows, double flops_a_row) {
  const auto fit = static_cast<std::int64_t>(kFlopsAtOnce / flops_a_row) / kRowsTogether * kRowsTogether;
  const std::int64_t most = std::max(fit, kRowsTogether);
  // Equal parts: a short last one would cost nearly as much as a whole one.
  const std::int64_t number = (rows + most - 1) / most;
  const std::int64_t part = (rows + number - 1) / number;
  return std::min(rows, (part + kRowsTogether - 1) / kRowsTogether * kRowsTogether);
}

std::size_t parts(std::int64_t rows, std::int64_t at_once) {
  return static_cast<std::size_t>((rows + at_once - 1) / at_once);
}

void for_each_part(std::int64_t rows, std::int64_t at_once,
                   const std::function<void(std::int64_t first, std::int64_t count)>& build) {
  for (std::int64_t first = 0; first < rows; first += at_once) build(first, std::min(at_once, rows - first));
}

}  // namespace rwkv::media
