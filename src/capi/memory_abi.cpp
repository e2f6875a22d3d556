// rwkv_mobile.h: memory. Ours.
#include "capi/guard.h"

using namespace rwkv::capi;
using rwkv::host::MemoryPressure;

int rwkv_ext_set_state_cache_limit(rwkvmobile_runtime_t runtime, int model_id, int64_t bytes) {
  if (bytes < 0) return kBadArgument;
  return with_runtime(runtime, [&](AbiHost& of) -> int {
    const auto model = of.find(model_id);
    if (!model) return kNoSuchModel;
    of.set_cache_limit(*model, static_cast<std::uint64_t>(bytes));
    return RWKV_SUCCESS;
  });
}

int rwkv_ext_set_state_folder(rwkvmobile_runtime_t runtime, int model_id, const char* folder, int64_t bytes) {
  if (!folder || bytes < 0) return kBadArgument;
  return with_model(runtime, model_id, [&](AbiModel& model) {
    model.evaluate(AbiModel::Kind::kEvaluation, [&](const rwkv::CancelToken&) {
      model.model().set_state_folder(folder, static_cast<std::uint64_t>(bytes));
    });
  });
}

int rwkv_ext_set_memory_budget(rwkvmobile_runtime_t runtime, int64_t bytes) {
  if (bytes < 0) return kBadArgument;
  return with_runtime(runtime, [&](AbiHost& of) { of.set_memory_budget(static_cast<std::uint64_t>(bytes)); });
}

int rwkv_ext_release_memory(rwkvmobile_runtime_t runtime, int pressure) {
  if (pressure < RWKV_PRESSURE_MODERATE || pressure > RWKV_PRESSURE_CRITICAL) return kBadArgument;
  return with_runtime(runtime, [&](AbiHost& of) { of.release_memory(static_cast<MemoryPressure>(pressure)); });
}

int64_t rwkv_ext_memory_in_use(rwkvmobile_runtime_t runtime) {
  return read_runtime(runtime, int64_t{0}, [](AbiHost& of) { return static_cast<int64_t>(of.memory_in_use()); });
}

static_assert(static_cast<int>(MemoryPressure::kModerate) == RWKV_PRESSURE_MODERATE);
static_assert(static_cast<int>(MemoryPressure::kCritical) == RWKV_PRESSURE_CRITICAL);
