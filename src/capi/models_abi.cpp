// rwkv_mobile.h: models are loaded, listed and released.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "capi/callbacks.h"
#include "capi/guard.h"
#include "capi/memory.h"
#include "convert/convert.h"

using namespace rwkv::capi;

namespace {

rwkv::ModelRequest request_for(const char* model_path, const char* backend_name, const char* tokenizer_path,
                               const void* extra) {
  rwkv::ModelRequest request;
  request.model_path = model_path;
  request.backend = backend_name;
  request.tokenizer_path = tokenizer_path;
  // What `extra` points to depends on the backend: for any other it is not looked at.
  if (extra != nullptr && request.backend == "llama.cpp") {
    const int layers = static_cast<const llama_cpp_args*>(extra)->n_gpu_layers;
    if (layers >= 0) request.options.gpu_layers = layers;
  }
  return request;
}

// Lines KEY=VALUE.
std::map<std::string, std::string> settings_in(std::string_view text) {
  std::map<std::string, std::string> settings;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.empty()) continue;
    const std::size_t equals = line.find('=');
    if (equals == 0 || equals == std::string_view::npos) {
      throw rwkv::Error(rwkv::ErrorCode::kInvalidArgument, "a setting is not KEY=VALUE: '" + std::string(line) + "'");
    }
    settings[std::string(line.substr(0, equals))] = line.substr(equals + 1);
  }
  return settings;
}

void describe(AbiModel& model, model_info& info) {
  info.model_id = model.id();
  info.is_generating = model.generating() ? 1 : 0;
  info.vocab_size = model.model().info().vocabulary;
  info.model_path = copy_text(model.request().model_path);
  info.backend_name = copy_text(model.backend_name());
  info.tokenizer_path = copy_text(model.request().tokenizer_path);
  const rwkv::ChatFormat format = model.settings()->format;
  info.user_role = copy_text(format.user_role);
  info.response_role = copy_text(format.response_role);
  info.bos_token = copy_text(format.bos);
  info.eos_token = copy_text(format.eos);
  info.thinking_token = copy_text(format.thinking_token);
}

}  // namespace

int rwkvmobile_runtime_load_model(rwkvmobile_runtime_t runtime, const char* model_path, const char* backend_name,
                                  const char* tokenizer_path) {
  return rwkvmobile_runtime_load_model_with_extra(runtime, model_path, backend_name, tokenizer_path, nullptr);
}

int rwkvmobile_runtime_load_model_with_extra(rwkvmobile_runtime_t runtime, const char* model_path,
                                             const char* backend_name, const char* tokenizer_path, void* extra) {
  if (!model_path || !backend_name || !tokenizer_path) return -kBadArgument;
  int id = -kBadArgument;
  const int error = with_runtime(
      runtime, [&](AbiHost& to) { id = to.load(request_for(model_path, backend_name, tokenizer_path, extra)); });
  return error == RWKV_SUCCESS ? id : -error;
}

int rwkv_ext_load_model(rwkvmobile_runtime_t runtime, const char* model_path, const char* backend_name,
                        const char* tokenizer_path, const char* device, const char* settings) {
  if (!model_path || !backend_name || !tokenizer_path) return -kBadArgument;
  int id = -kBadArgument;
  const int error = with_runtime(runtime, [&](AbiHost& to) {
    rwkv::ModelRequest request = request_for(model_path, backend_name, tokenizer_path, nullptr);
    if (device) request.options.device = device;
    if (settings) request.options.settings = settings_in(settings);
    id = to.load(std::move(request));
  });
  return error == RWKV_SUCCESS ? id : -error;
}

int rwkv_ext_set_stand_in(rwkvmobile_runtime_t runtime, int allowed) {
  return with_runtime(runtime, [&](AbiHost& to) { to.allow_stand_in(allowed != 0); });
}

int rwkvmobile_runtime_load_model_async(rwkvmobile_runtime_t runtime, const char* model_path, const char* backend_name,
                                        const char* tokenizer_path) {
  return rwkvmobile_runtime_load_model_with_extra_async(runtime, model_path, backend_name, tokenizer_path, nullptr);
}

int rwkvmobile_runtime_load_model_with_extra_async(rwkvmobile_runtime_t runtime, const char* model_path,
                                                   const char* backend_name, const char* tokenizer_path, void* extra) {
  if (!model_path || !backend_name || !tokenizer_path) return kBadArgument;
  return with_runtime(
      runtime, [&](AbiHost& to) { to.load_async(request_for(model_path, backend_name, tokenizer_path, extra)); });
}

int rwkvmobile_runtime_is_loading_model(rwkvmobile_runtime_t runtime) {
  return read_runtime(runtime, 0, [](AbiHost& of) { return of.loading() ? 1 : 0; });
}

void rwkvmobile_runtime_get_load_model_status(rwkvmobile_runtime_t runtime, int* result_code, int* model_id) {
  if (!result_code || !model_id) return;
  with_runtime(runtime, [&](AbiHost& of) {
    if (const auto result = of.load_result()) {
      *result_code = result->code;
      *model_id = result->model_id;
    }
  });
}

float rwkvmobile_runtime_get_load_model_progress(rwkvmobile_runtime_t runtime) {
  return read_runtime(runtime, -1.0f, [](AbiHost& of) { return of.load_progress(); });
}

int rwkvmobile_runtime_release_model(rwkvmobile_runtime_t runtime, int model_id) {
  if (model_id < 0) return kBadArgument;
  return with_runtime(runtime, [&](AbiHost& of) -> int {
    refuse_inside_callback();
    return of.release(model_id) ? RWKV_SUCCESS : kNoSuchModel;
  });
}

int rwkvmobile_runtime_get_loaded_model_ids(rwkvmobile_runtime_t runtime, int* model_ids, int max_count) {
  if (!model_ids || max_count <= 0) return 0;
  return read_runtime(runtime, 0, [&](AbiHost& of) {
    int count = 0;
    for (const auto& model : of.models()) {
      if (count < max_count) model_ids[count++] = model->id();
    }
    return count;
  });
}

loaded_models_list rwkvmobile_runtime_get_loaded_models_info(rwkvmobile_runtime_t runtime) {
  loaded_models_list list{};
  const bool complete = read_runtime(runtime, false, [&](AbiHost& of) {
    const auto models = of.models();
    if (models.empty()) return true;
    list.models = zeros<model_info>(models.size());
    for (const auto& model : models) describe(*model, list.models[list.count++]);
    return true;
  });
  if (complete) return list;
  rwkvmobile_runtime_free_loaded_models_list(list);
  return {};
}

void rwkvmobile_runtime_free_loaded_models_list(loaded_models_list list) {
  for (int i = 0; list.models && i < list.count; ++i) {
    const model_info& info = list.models[i];
    for (const char* text : {info.model_path, info.backend_name, info.tokenizer_path, info.user_role,
                             info.response_role, info.bos_token, info.eos_token, info.thinking_token}) {
      release(text);
    }
  }
  release(list.models);
}

const char* rwkvmobile_runtime_get_model_path_by_id(rwkvmobile_runtime_t runtime, int model_id) {
  return read_runtime<const char*>(runtime, nullptr, [&](AbiHost& of) {
    const auto model = of.find(model_id);
    return model ? of.keep(model->request().model_path) : "";
  });
}

int rwkvmobile_convert_pth_to_safetensors(const char* pth_path, const char* st_path) {
  if (!pth_path || !st_path) return kBadArgument;
  return guarded(nullptr, [&]() -> int {
    rwkv::convert::convert_to_safetensors(pth_path, st_path, {});
    return RWKV_SUCCESS;
  });
}
