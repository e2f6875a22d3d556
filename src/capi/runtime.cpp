#include "capi/runtime.h"

#include <algorithm>
#include <utility>

#include "base/error_of.h"
#include "base/log.h"
#include "base/machine.h"
#include "capi/guard.h"
#include "capi/live_objects.h"

namespace rwkv::capi {
namespace {

// Clients know two kinds of failed loads: the model file, and everything around it.
constexpr int kCannotBegin = -1;
constexpr int kBadModelFile = -(RWKV_ERROR_MODEL | RWKV_ERROR_IO);

bool is_bad_vocabulary(const std::string& path) {
  if (path.empty()) return false;
  try {
    Vocabulary::from_file(path);
    return false;
  } catch (const Error&) {
    return true;
  } catch (...) {
    return false;  // there is no memory to know it
  }
}

int load_code(const Error& error, const ModelRequest& request) {
  switch (error.code()) {
    case ErrorCode::kNotFound:
    case ErrorCode::kIo:
    case ErrorCode::kBadFile: return is_bad_vocabulary(request.tokenizer_path) ? kCannotBegin : kBadModelFile;
    case ErrorCode::kUnsupported:
      // A name that no backend has, or a file that this one does not run.
      for (const auto& backend : backends()) {
        if (backend->name() == request.backend) return -(RWKV_ERROR_MODEL | RWKV_ERROR_UNSUPPORTED);
      }
      return request.backend.empty() ? -(RWKV_ERROR_MODEL | RWKV_ERROR_UNSUPPORTED) : kCannotBegin;
    default: return -bits_of(error.code());
  }
}

}  // namespace

Runtime::Runtime() { count_live(1); }

Runtime::~Runtime() {
  close();
  count_live(-1);
}

int Runtime::load(ModelRequest request) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return -kNoSuchModel;
    ++loads_;
    progress_ = 0;
  }
  int result = kCannotBegin;
  try {
    request.options.cancel = closing_;
    request.budget = budget_;
    request.options.progress = [this](float part) { progress_ = std::clamp(part, 0.0f, 1.0f); };
    result = insert(request, LanguageModel::load(request));
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

int Runtime::insert(const ModelRequest& request, std::unique_ptr<LanguageModel> model) {
  const std::lock_guard lock(mutex_);
  if (closed_) throw Error(ErrorCode::kCancelled, "the runtime was released while it loaded a model");
  models_[next_id_] = std::make_shared<ModelHost>(next_id_, request, std::move(model));
  fit_caches();
  return next_id_++;
}

void Runtime::load_async(ModelRequest request) {
  std::thread ended;
  std::unique_lock lock(mutex_);
  if (closed_) throw Error(ErrorCode::kInvalidArgument, "the runtime is being released");
  if (loading_) throw Error(ErrorCode::kBusy, "a model is being loaded; wait until it is there");
  std::thread loader([this, request = std::move(request)]() mutable {
    const int result = load(std::move(request));
    const std::lock_guard result_lock(mutex_);
    load_result_ = result < 0 ? LoadResult{result, -1} : LoadResult{0, result};
    loading_ = false;
  });
  ended = std::exchange(loader_, std::move(loader));  // it has nothing left to do
  loading_ = true;                                    // the new thread cannot say otherwise before the lock is released
  lock.unlock();
  if (ended.joinable()) ended.join();
}

bool Runtime::loading() const {
  const std::lock_guard lock(mutex_);
  return loading_;
}

std::optional<Runtime::LoadResult> Runtime::load_result() const {
  const std::lock_guard lock(mutex_);
  if (loading_) return std::nullopt;
  return load_result_;
}

float Runtime::load_progress() const {
  const std::lock_guard lock(mutex_);
  return loading_ || loads_ > 0 ? progress_.load() : 1.0f;
}

std::shared_ptr<ModelHost> Runtime::find(int id) const {
  const std::lock_guard lock(mutex_);
  fit_caches();
  const auto it = models_.find(id);
  return it == models_.end() ? nullptr : it->second;
}

std::vector<std::shared_ptr<ModelHost>> Runtime::models() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<ModelHost>> all;
  for (const auto& [id, model] : models_) all.push_back(model);
  return all;
}

bool Runtime::release(int id) {
  std::shared_ptr<ModelHost> model;
  {
    const std::lock_guard lock(mutex_);
    auto node = models_.extract(id);
    if (!node) return false;
    model = std::move(node.mapped());
  }
  model->close();
  model.reset();
  give_back_freed_memory();
  return true;
}

void Runtime::close() {
  std::map<int, std::shared_ptr<ModelHost>> models;
  std::thread loader;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    closing_.cancel();
    models.swap(models_);
    loader.swap(loader_);
  }
  for (const auto& [id, model] : models) model->stop();  // all at once, then one after another
  for (const auto& [id, model] : models) model->close();
  if (loader.joinable()) loader.join();
  std::unique_lock lock(mutex_);
  load_ended_.wait(lock, [&] { return loads_ == 0; });
  lock.unlock();
  models.clear();
  give_back_freed_memory();
}

const char* Runtime::keep(const std::string& text) {
  const std::lock_guard lock(mutex_);
  return kept_.insert(text).first->c_str();
}

void Runtime::note_error(const char* message) noexcept {
  try {
    std::string copy = message;
    const std::lock_guard lock(mutex_);
    last_error_ = std::move(copy);
  } catch (...) {
    // Out of memory: the code of the failed call has to do.
  }
}

std::string Runtime::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

}  // namespace rwkv::capi
