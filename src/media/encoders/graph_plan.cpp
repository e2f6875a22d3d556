#include "media/encoders/graph_plan.h"

#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml-cpu.h>

#include <algorithm>
#include <string>

#include "base/error.h"
#include "ggml/processor.h"

namespace rwkv::media {
namespace {

constexpr std::size_t kMostKept = 64;
constexpr std::size_t kAlignment = 64;
// Where nothing is computed: ggml looks at whether there is an address and adds to it.
void* const kNoMemory = reinterpret_cast<void*>(std::uintptr_t{kAlignment});

ggml_context* context_in(std::vector<std::byte>& memory) {
  ggml_context* context = ggml_init({memory.size(), memory.data(), true});
  if (context == nullptr) throw out_of_memory();
  return context;
}

bool is_cancelled(void* token) { return static_cast<const CancelToken*>(token)->cancelled(); }

[[noreturn]] void no_memory(std::uint64_t bytes) {
  throw Error(ErrorCode::kOutOfMemory,
              "an encoder needs " + std::to_string(bytes >> 20) + " MB to work in, which cannot be had");
}

}  // namespace

Threads::Threads(int count) : count_(ggml::usable_threads(count)), pool_(nullptr, ggml_threadpool_free) {
  if (const auto missing = ggml::missing_instructions()) {
    throw Error(ErrorCode::kUnsupported, "encoders need a processor with " + *missing);
  }
  ggml::check_threads(count_ - 1);  // ggml ends the process where the system refuses it one
  ggml_threadpool_params params = ggml_threadpool_params_default(count_);
  params.poll = 0;
  pool_.reset(ggml_threadpool_new(&params));
  if (!pool_) throw out_of_memory();
}

struct GraphPlan::Stage {
  std::vector<std::byte> memory;  // of ggml's descriptions
  ggml_context* context = nullptr;
  ggml_cgraph* graph = nullptr;

  Stage(std::size_t nodes) : memory(nodes * ggml_tensor_overhead() + ggml_graph_overhead_custom(nodes, false)) {
    context = context_in(memory);
    graph = ggml_new_graph_custom(context, nodes, false);
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  ~Stage() { ggml_free(context); }
};

GraphPlan::GraphPlan(Purpose purpose)
    : purpose_(purpose), kept_memory_(kMostKept * ggml_tensor_overhead()), allocator_(nullptr, ggml_gallocr_free) {
  kept_ = context_in(kept_memory_);
}

GraphPlan::~GraphPlan() { ggml_free(kept_); }

ggml_tensor* GraphPlan::keep(ggml_type type, std::int64_t row, std::int64_t rows) {
  ggml_tensor* tensor = ggml_new_tensor_2d(kept_, type, row, rows);
  const std::size_t bytes = ggml_nbytes(tensor);
  kept_bytes_ += bytes;
  tensor->data = kNoMemory;
  if (purpose_ == Purpose::kCompute) {
    Bytes& buffer = buffers_.emplace_back(bytes + kAlignment);
    void* place = buffer.data();
    std::size_t space = buffer.size();
    tensor->data = std::align(kAlignment, bytes, place, space);
  }
  return tensor;
}

std::span<float> GraphPlan::values(ggml_tensor* tensor) {
  return {static_cast<float*>(tensor->data), static_cast<std::size_t>(ggml_nelements(tensor))};
}

void GraphPlan::stage(std::size_t nodes, const std::function<void(ggml_context*, ggml_cgraph*)>& build) {
  auto stage = std::make_unique<Stage>(nodes);
  build(stage->context, stage->graph);
  stages_.push_back(std::move(stage));
}

void GraphPlan::finish() {
  allocator_.reset(ggml_gallocr_new(ggml_backend_cpu_buffer_type()));
  if (!allocator_) throw out_of_memory();
  std::size_t scratch = 0;
  for (const auto& stage : stages_) {
    std::size_t bytes = 0;
    ggml_gallocr_reserve_n_size(allocator_.get(), stage->graph, nullptr, nullptr, &bytes);
    work_bytes_ = std::max<std::uint64_t>(work_bytes_, bytes);
    scratch = std::max(scratch, ggml_graph_plan(stage->graph, 1, nullptr).work_size);
  }
  if (purpose_ == Purpose::kMeasure) {
    work_bytes_ += scratch;
    return;
  }
  // A buffer that grows moves: all have to be reserved before the first gets its addresses.
  for (int pass = 0; pass < 2; ++pass) {
    for (const auto& stage : stages_) {
      if (!ggml_gallocr_reserve(allocator_.get(), stage->graph)) no_memory(work_bytes_);
      if (pass == 1 && !ggml_gallocr_alloc_graph(allocator_.get(), stage->graph)) no_memory(work_bytes_);
    }
  }
}

std::uint64_t GraphPlan::bytes() const noexcept { return kept_bytes_ + work_bytes_ + scratch_.capacity(); }

void GraphPlan::compute(Stage& stage, const Threads& threads, const CancelToken& cancel) {
  cancel.check();
  ggml_cplan plan = ggml_graph_plan(stage.graph, threads.count(), threads.pool());
  if (scratch_.size() < plan.work_size) scratch_.resize(plan.work_size);
  plan.work_data = scratch_.data();
  plan.abort_callback = is_cancelled;
  plan.abort_callback_data = const_cast<CancelToken*>(&cancel);
  const ggml_status status = ggml_graph_compute(stage.graph, &plan);
  cancel.check();
  if (status == GGML_STATUS_ALLOC_FAILED) throw out_of_memory();
  if (status != GGML_STATUS_SUCCESS) {
    throw Error(ErrorCode::kEvaluation, "an encoder's graph failed with status " + std::to_string(status));
  }
}

void GraphPlan::compute(const Threads& threads, const EncodeOptions& options, const std::function<void()>& stage_done) {
  for (const auto& stage : stages_) {
    bool is_done = false;
    const std::function<void()> piece = [&] {
      compute(*stage, threads, options.cancel);
      is_done = true;
    };
    options.on_cores ? options.on_cores(threads.count(), piece) : piece();
    if (!is_done) throw Error(ErrorCode::kCancelled, "an encoding got no processors");
    stage_done();
  }
}

}  // namespace rwkv::media
