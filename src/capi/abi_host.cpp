#include "capi/abi_host.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error_of.h"
#include "base/log.h"
#include "base/machine.h"
#include "capi/guard.h"

namespace rwkv::capi {
namespace {

// Clients know two kinds of failed loads: the model file, and everything around it.
constexpr int kCannotBegin = -1;
constexpr int kBadModelFile = -(RWKV_ERROR_MODEL | RWKV_ERROR_IO);

int load_code(const Error& error, const ModelRequest& request) {
  switch (error.code()) {
    case ErrorCode::kNotFound:
    case ErrorCode::kIo:
    case ErrorCode::kBadFile:
      return !error.file().empty() && error.file() == request.tokenizer_path ? kCannotBegin : kBadModelFile;
    case ErrorCode::kUnsupported:
      // A name that no backend has, or a file that this one does not run.
      for (const auto& backend : backends()) {
        if (backend->name() == request.backend) return -(RWKV_ERROR_MODEL | RWKV_ERROR_UNSUPPORTED);
      }
      return !names_backend(request.backend) ? -(RWKV_ERROR_MODEL | RWKV_ERROR_UNSUPPORTED) : kCannotBegin;
    default: return -bits_of(error.code());
  }
}

bool goes_on(const std::shared_future<int>& load) {
  return load.valid() && load.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

}  // namespace

int AbiHost::load(ModelRequest request) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return -kNoSuchModel;
    ++loads_;
    progress_ = 0;
  }
  int result = kCannotBegin;
  try {
    const auto model = std::make_shared<AbiModel>(with_host_options(request), media());
    model->load(closing_, [this](float part) { progress_ = std::clamp(part, 0.0f, 1.0f); });
    add(model);
    result = model->id();
    // It is there, whether or not there is memory to say so.
    error_of([&] { log::info("loaded '" + request.model_path + "' as model " + std::to_string(result)); });
  } catch (const Error& error) {
    caught(this);
    result = load_code(error, request);
  } catch (...) {
    result = -caught(this);
  }
  const std::lock_guard lock(mutex_);
  --loads_;
  load_ended_.notify_all();
  return result;
}

void AbiHost::load_async(ModelRequest request) {
  const std::lock_guard lock(mutex_);
  if (closed_) throw Error(ErrorCode::kInvalidArgument, "the runtime is being released");
  if (goes_on(background_)) throw Error(ErrorCode::kBusy, "a model is being loaded; wait until it is there");
  background_ = std::async(std::launch::async,
                           [this, request = std::move(request)]() mutable { return load(std::move(request)); });
}

bool AbiHost::loading() const {
  const std::lock_guard lock(mutex_);
  return goes_on(background_);
}

std::optional<AbiHost::LoadResult> AbiHost::load_result() const {
  const std::lock_guard lock(mutex_);
  if (goes_on(background_)) return std::nullopt;
  if (!background_.valid()) return LoadResult();
  const int result = background_.get();
  return result < 0 ? LoadResult{result, -1} : LoadResult{0, result};
}

float AbiHost::load_progress() const {
  const std::lock_guard lock(mutex_);
  return goes_on(background_) || loads_ > 0 ? progress_.load() : 1.0f;
}

bool AbiHost::release(int id) {
  auto model = find(id);
  if (!model || !remove(*model)) return false;
  model->end();
  model.reset();
  give_back_freed_memory();
  return true;
}

void AbiHost::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    closing_.cancel();
  }
  {
    const Entries all = take_all();
    for (const auto& [id, entry] : all) entry.model->cancel_uses();  // all at once, then one after another
    for (const auto& [id, entry] : all) static_cast<AbiModel&>(*entry.model).end();
    if (background_.valid()) background_.wait();
    std::unique_lock lock(mutex_);
    load_ended_.wait(lock, [&] { return loads_ == 0; });
  }
  give_back_freed_memory();
}

void AbiHost::set_memory_budget(std::uint64_t bytes) {
  set_budget(bytes);
  put_to_sleep([&] { return bytes == 0 || memory_in_use() <= bytes; });
  give_back_freed_memory();
}

void AbiHost::release_memory(host::MemoryPressure pressure) {
  drop_states(pressure);
  if (pressure == host::MemoryPressure::kCritical) put_to_sleep([] { return false; });
  give_back_freed_memory();
}

void AbiHost::put_to_sleep(const std::function<bool()>& is_enough) {
  std::set<std::int64_t> tried;
  while (!is_enough()) {
    const auto next = next_to_sleep(tried);
    if (!next) return;
    tried.insert(next->load_id);
    next->model().sleep();
  }
}

const char* AbiHost::keep(const std::string& text) {
  const std::lock_guard lock(mutex_);
  return kept_.insert(text).first->c_str();
}

void AbiHost::note_error(const char* message) noexcept {
  try {
    std::string copy = message;
    const std::lock_guard lock(mutex_);
    last_error_ = std::move(copy);
  } catch (...) {
    // Out of memory: the code of the failed call has to do.
  }
}

std::string AbiHost::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

}  // namespace rwkv::capi
