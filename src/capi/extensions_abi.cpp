// rwkv_mobile.h: what is ours.
#include "capi/guard.h"
#include "capi/live_objects.h"
#include "capi/memory.h"
#include "capi/text_buffer.h"

using namespace rwkv::capi;

namespace {

int number_of(rwkv::EndReason reason) {
  switch (reason) {
    case rwkv::EndReason::kEos: return RWKV_END_EOS;
    case rwkv::EndReason::kStop: return RWKV_END_STOP;
    case rwkv::EndReason::kLength: return RWKV_END_LENGTH;
    case rwkv::EndReason::kCancelled: return RWKV_END_CANCELLED;
    case rwkv::EndReason::kError: return RWKV_END_ERROR;
  }
  return RWKV_END_ERROR;
}

}  // namespace

int rwkv_ext_version(void) { return RWKV_EXT_VERSION; }

int rwkv_ext_end_reason(rwkvmobile_runtime_t runtime, int model_id, int slot) {
  return read_model(runtime, model_id, static_cast<int>(RWKV_END_NONE), [&](const AbiModel& model) -> int {
    const auto run = model.run(slot < 0 ? AbiModel::Buffer::kSingle : AbiModel::Buffer::kBatch);
    const auto end = run ? run->stream.end(static_cast<std::size_t>(slot < 0 ? 0 : slot)) : std::nullopt;
    return end ? number_of(end->reason) : RWKV_END_NONE;
  });
}

int rwkv_ext_last_error(rwkvmobile_runtime_t runtime, char* buffer, int buffer_size) {
  if (!buffer || buffer_size <= 0) return kBadArgument;
  return with_runtime(runtime, [&](AbiHost& of) { return write_text(of.last_error(), buffer, buffer_size); });
}

int64_t rwkv_ext_live_objects(void) { return live_objects.load(std::memory_order_relaxed) + live_blocks(); }
