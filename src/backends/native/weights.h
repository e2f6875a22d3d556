// The weights of a model, as the kernels read them.
#pragma once

#include <functional>
#include <vector>

#include "backends/native/kernels/kernels.h"
#include "backends/native/pages.h"
#include "backends/native/thread_pool.h"
#include "engine/source.h"

namespace rwkv::native {

/// W2 f(W1 x), with an offset that the head's weights have.
struct Lora {
  PanelMatrix first, second;
};

struct LayerWeights {
  NormWeights attention_norm, feed_forward_norm;
  const float* shares = nullptr;  // of the shift, 6 x width: r, w, k, v, a, g
  PanelMatrix receptance, key, value, output;
  Lora decay, rate, residual, gate;  // w, a, v (not in the first layer), g
  HeadWeights head;                  // of the first head; those of the others follow
  const float* feed_forward_share = nullptr;
  PanelMatrix feed_forward_key, feed_forward_value;
};

struct Geometry {
  std::size_t layers = 0, width = 0, heads = 0, head_size = 0, feed_forward = 0, vocabulary = 0;
  float epsilon = 0;
};

Geometry geometry_of(const GgufFile& file, const RwkvPassport& passport);

/// Throws Error(kUnsupported) naming a tensor whose type the engine does not compute with, or a head that is too large.
void check_is_supported(const GgufFile& file, const RwkvPassport& passport);

/// Bytes of all matrices as panels, and of the vectors.
std::uint64_t packed_bytes(const GgufFile& file);

/// Everything but the table of embeddings, of which each token needs one row: that stays in the file.
class Weights {
 public:
  /// Packs all of the file, which has passed both checks, with the pool's threads. `progress` is called with 0 to 1.
  /// Throws Error(kCancelled, kOutOfMemory).
  Weights(const ModelSource& source, ThreadPool& pool, const CancelToken& cancel,
          const std::function<void(float)>& progress);

  const Geometry& geometry() const noexcept { return geometry_; }
  const std::vector<LayerWeights>& layers() const noexcept { return layers_; }
  NormWeights embedding_norm() const noexcept { return embedding_norm_; }
  NormWeights output_norm() const noexcept { return output_norm_; }
  const PanelMatrix& head() const noexcept { return head_; }

  /// The row of the table of embeddings; width values.
  void read_embedding(std::size_t token, float* out) const noexcept;

 private:
  class Packer;

  Geometry geometry_;
  std::vector<LayerWeights> layers_;
  NormWeights embedding_norm_, output_norm_;
  PanelMatrix head_;
  GgufTensor embedding_;
  Pages memory_;
};

}  // namespace rwkv::native
