#include "backends/plugin/calls.h"

#include <algorithm>
#include <cstring>

#include "text/utf8.h"

namespace rwkv::plugin {
namespace {

ErrorCode code_of(rwkv_backend_code code) noexcept {
  switch (code) {
    case RWKV_BACKEND_INVALID_ARGUMENT: return ErrorCode::kInvalidArgument;
    case RWKV_BACKEND_NOT_FOUND: return ErrorCode::kNotFound;
    case RWKV_BACKEND_IO: return ErrorCode::kIo;
    case RWKV_BACKEND_BAD_FILE: return ErrorCode::kBadFile;
    case RWKV_BACKEND_UNSUPPORTED: return ErrorCode::kUnsupported;
    case RWKV_BACKEND_OUT_OF_MEMORY: return ErrorCode::kOutOfMemory;
    case RWKV_BACKEND_CANCELLED: return ErrorCode::kCancelled;
    case RWKV_BACKEND_EVALUATION: return ErrorCode::kEvaluation;
    default: return ErrorCode::kInternal;
  }
}

}  // namespace

std::string bounded_text(const char* field, std::size_t size) {
  return to_valid_utf8(std::string_view(field, static_cast<std::size_t>(std::find(field, field + size, '\0') - field)));
}

void throw_error(const rwkv_backend_api& api, rwkv_backend_code code, const rwkv_backend_error& error,
                 const std::string& file) {
  const std::string text = text_of(error.text);
  throw Error(code_of(code),
              !text.empty() ? text
                            : "the backend " + std::string(api.name) + " failed with code " + std::to_string(code) +
                                  " and does not say why",
              file);
}

void throw_broken(const rwkv_backend_api& api, const std::string& how) {
  throw Error(ErrorCode::kUnsupported,
              "the backend " + std::string(api.name) + " is broken: " + how + "; get another version of it");
}

rwkv_backend_source source_of(const std::string& path, const std::span<const std::byte>* bytes) noexcept {
  rwkv_backend_source source{};
  source.struct_size = sizeof source;
  source.path = path.c_str();
  source.is_folder = bytes == nullptr ? 1 : 0;
  if (bytes != nullptr) {
    source.bytes = bytes->data();
    source.size = bytes->size();
  }
  return source;
}

CallOptions::CallOptions(const LoadOptions& options) : options_(options) {
  for (const auto& [key, value] : options.settings) settings_.push_back({key.c_str(), value.c_str()});
  form_.struct_size = sizeof form_;
  form_.device = options.device.empty() ? nullptr : options.device.c_str();
  form_.threads = options.threads;
  form_.max_sequences = options.max_sequences;
  form_.settings = settings_.empty() ? nullptr : settings_.data();
  form_.setting_count = settings_.size();
  form_.progress = [](void* user, float share) noexcept -> std::int32_t {
    return static_cast<CallOptions*>(user)->tell(share);
  };
  form_.cancelled = [](void* user) noexcept -> std::int32_t {
    return static_cast<CallOptions*>(user)->options_.cancel.cancelled() ? 1 : 0;
  };
  form_.user = this;
}

std::int32_t CallOptions::tell(float share) noexcept {
  if (thrown_ || options_.cancel.cancelled()) return 1;
  share = std::min(share, 0.99f);  // 1 is told when the model stands
  if (!options_.progress || !(share >= highest_)) return 0;
  highest_ = share;
  try {
    options_.progress(share);
    return 0;
  } catch (...) {
    thrown_ = std::current_exception();
    return 1;
  }
}

void CallOptions::rethrow() const {
  if (thrown_) std::rethrow_exception(thrown_);
}

}  // namespace rwkv::plugin
