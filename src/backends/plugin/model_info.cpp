#include "backends/plugin/model_info.h"

#include <algorithm>

#include "backends/plugin/calls.h"

namespace rwkv::plugin {
namespace {

// Beyond what any model has, and small enough that products of two do not overflow.
constexpr std::int32_t kMost = 1 << 24;

void check_range(const rwkv_backend_api& api, const char* name, std::int64_t value, std::int64_t least,
                 std::int64_t most) {
  if (value >= least && value <= most) return;
  throw_broken(api, "it says that a model's " + std::string(name) + " is " + std::to_string(value));
}

std::uint64_t bytes_of_numbers(const ModelInfo& info) {
  const auto layers = static_cast<std::uint64_t>(info.layers);
  const auto head = static_cast<std::uint64_t>(info.head_size);
  return sizeof(float) * layers *
         (2 * static_cast<std::uint64_t>(info.width) + static_cast<std::uint64_t>(info.heads) * head * head);
}

std::vector<int> batch_sizes_of(const rwkv_backend_api& api, const rwkv_backend_model_info& form) {
  check_range(api, "number of batch sizes",
              static_cast<std::int64_t>(std::min<std::size_t>(form.batch_size_count, kMost)), 1, 4096);
  if (form.batch_sizes == nullptr) throw_broken(api, "a model has no batch sizes");
  std::vector<int> sizes(form.batch_sizes, form.batch_sizes + form.batch_size_count);
  check_range(api, "first batch size", sizes.front(), 1, 1);
  if (std::adjacent_find(sizes.begin(), sizes.end(), std::greater_equal<>()) != sizes.end()) {
    throw_broken(api, "a model's batch sizes do not ascend");
  }
  return sizes;
}

}  // namespace

PluginInfo read_info(const rwkv_backend_api& api, const rwkv_backend_model* model) {
  rwkv_backend_model_info form{};
  form.struct_size = sizeof form;
  form.longest_call_ms = form.stable_chunk = form.stable_grid = form.threads = 1;
  call(api, [&](rwkv_backend_error* error) { return api.info(model, &form, error); });
  check_range(api, "number of layers", form.layers, 1, 1 << 16);
  check_range(api, "width", form.width, 1, kMost);
  check_range(api, "number of heads", form.heads, 1, 1 << 16);
  check_range(api, "head size", form.head_size, 1, 1 << 14);
  check_range(api, "vocabulary", form.vocabulary, 1, kMost);
  check_range(api, "number of threads", form.threads, 1, 1 << 16);
  check_range(api, "longest call", form.longest_call_ms, 1, kMost);
  check_range(api, "stable chunk", form.stable_chunk, 1, kMost);
  check_range(api, "stable grid", form.stable_grid, 1, kMost);
  check_range(api, "number of logit rows", form.logit_rows, 0, kMost);
  check_range(api, "form of states", form.state_form, RWKV_BACKEND_STATE_OPAQUE, RWKV_BACKEND_STATE_NUMBERS);
  check_range(api, "state", static_cast<std::int64_t>(std::min(form.state_bytes, std::uint64_t{1} << 62)), 1,
              std::int64_t{1} << 40);
  PluginInfo info;
  ModelInfo& m = info.model;
  m.backend = api.name;
  m.architecture = text_of(form.architecture);
  m.name = text_of(form.name);
  m.weight_type = text_of(form.weight_type);
  m.layers = form.layers;
  m.width = form.width;
  m.heads = form.heads;
  m.head_size = form.head_size;
  m.vocabulary = form.vocabulary;
  m.parameters = form.parameters;
  m.state_bytes = form.state_bytes;
  m.fingerprint = form.fingerprint;
  m.batch_sizes = batch_sizes_of(api, form);
  m.threads = form.threads;
  m.device.id = text_of(form.device);
  m.longest_call = std::chrono::milliseconds(form.longest_call_ms);
  m.takes_embeddings = form.takes_embeddings != 0;
  m.logit_rows = form.logit_rows;
  m.gives_hidden = form.gives_hidden != 0;
  m.decode_equals_prefill = form.decode_equals_prefill != 0;
  m.stable_chunk = form.stable_chunk;
  m.stable_grid = form.stable_grid;
  if (m.decode_equals_prefill && (m.stable_chunk != 1 || m.stable_grid != 1)) {
    throw_broken(api, "a model decodes as it prefills, and yet not every chunk of a text is stable");
  }
  info.state_is_numbers = form.state_form == RWKV_BACKEND_STATE_NUMBERS;
  if (info.state_is_numbers && m.state_bytes != bytes_of_numbers(m)) {
    throw_broken(api, "a state of " + std::to_string(m.state_bytes) + " bytes is not the numbers of the model's shape");
  }
  return info;
}

}  // namespace rwkv::plugin
