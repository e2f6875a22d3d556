// Graphs of ggml that are planned once and computed stage by stage.
#pragma once

#include <ggml.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/page_allocator.h"
#include "engine/encoder.h"

struct ggml_gallocr;
struct ggml_threadpool;

namespace rwkv::media {

/// ggml's threads, which sleep between stages.
class Threads {
 public:
  /// Throws Error(kInvalidArgument, kOutOfMemory, kUnsupported).
  explicit Threads(int count);
  int count() const noexcept { return count_; }
  ggml_threadpool* pool() const noexcept { return pool_.get(); }

 private:
  int count_;
  std::unique_ptr<ggml_threadpool, void (*)(ggml_threadpool*)> pool_;
};

/// A row of stages, each a graph of its own. They share one work buffer, and hand on values in tensors that are kept.
/// ggml ends the process where shapes do not fit: who builds has checked them all.
class GraphPlan {
 public:
  enum class Purpose { kCompute, kMeasure };
  /// kMeasure: nothing large is allocated, bytes() says what would be.
  explicit GraphPlan(Purpose purpose);
  GraphPlan(const GraphPlan&) = delete;
  GraphPlan& operator=(const GraphPlan&) = delete;
  ~GraphPlan();

  /// A tensor of the plan's own, `rows` of `row` values, that lies in memory until the end. Zeros at first.
  ggml_tensor* keep(ggml_type type, std::int64_t row, std::int64_t rows);
  /// The values of a kept tensor of floats.
  static std::span<float> values(ggml_tensor* tensor);
  /// What operations of our own look at lives as long as the plan.
  template <class T>
  T* keep(T&& object) {
    auto kept = std::make_shared<std::remove_cvref_t<T>>(std::forward<T>(object));
    objects_.push_back(kept);
    return kept.get();
  }

  /// Builds the next stage of at most `nodes` tensors.
  void stage(std::size_t nodes, const std::function<void(ggml_context*, ggml_cgraph*)>& build);
  /// After the last stage: memory for what the stages compute with. Throws Error(kOutOfMemory).
  void finish();

  std::size_t stages() const noexcept { return stages_.size(); }
  /// Memory for kept tensors and work.
  std::uint64_t bytes() const noexcept;

  /// Computes all stages. Throws Error(kCancelled, kOutOfMemory, kEvaluation) and what the options' functions throw.
  /// `stage_done` is called after each.
  void compute(const Threads& threads, const EncodeOptions& options, const std::function<void()>& stage_done);

 private:
  using Bytes = std::vector<std::byte, PageAllocator<std::byte>>;
  struct Stage;

  void compute(Stage& stage, const Threads& threads, const CancelToken& cancel);

  const Purpose purpose_;
  std::vector<std::byte> kept_memory_;  // of ggml's descriptions
  ggml_context* kept_ = nullptr;
  std::deque<Bytes> buffers_;
  std::uint64_t kept_bytes_ = 0;
  std::vector<std::shared_ptr<void>> objects_;
  std::vector<std::unique_ptr<Stage>> stages_;
  std::unique_ptr<ggml_gallocr, void (*)(ggml_gallocr*)> allocator_;
  std::uint64_t work_bytes_ = 0;
  std::vector<std::uint8_t> scratch_;  // of ggml_graph_compute
};

}  // namespace rwkv::media
