// rwkv_mobile.h: chat and sampling settings of models.
#include <algorithm>
#include <string>
#include <vector>

#include "capi/guard.h"
#include "capi/text_buffer.h"

using namespace rwkv::capi;
using rwkv::ChatFormat;
using rwkv::host::SlotSettings;

namespace {

constexpr int kMostBanned = 1 << 20;  // more than any vocabulary has

// Setters of the chat format do nothing for unknown models and say that all is well: clients set before they load.
int set_text(rwkvmobile_runtime_t runtime, int model_id, const char* text, std::string ChatFormat::* field,
             const char* for_empty = "") {
  if (!text) return kBadArgument;
  return with_model(runtime, model_id, RWKV_SUCCESS, [&](AbiModel& model) {
    std::string value = *text ? text : for_empty;
    ((*model.settings()).format.*field).swap(value);
  });
}

std::size_t nearest_slot(int slot) { return static_cast<std::size_t>(std::clamp(slot, 0, RWKV_BATCH_SLOTS - 1)); }

// Changes the values of slots first..last.
template <class Change>
void change_slots(rwkvmobile_runtime_t runtime, int model_id, int first, int last, const Change& change) {
  if (first < 0 || last >= RWKV_BATCH_SLOTS) return;
  with_model(runtime, model_id, RWKV_SUCCESS, [&](AbiModel& model) {
    const auto settings = model.settings();
    std::vector<SlotSettings::Values> slots;
    for (int i = 0; i < RWKV_BATCH_SLOTS; ++i) {
      slots.push_back(settings->slots.slot(static_cast<std::size_t>(i)));
      if (i >= first && i <= last) change(slots.back());
    }
    settings->slots.set_each(std::move(slots));
  });
}

void set_sampler(rwkvmobile_runtime_t runtime, int model_id, int first, int last, const sampler_params& params) {
  change_slots(runtime, model_id, first, last, [&](SlotSettings::Values& values) {
    const rwkv::SamplerParams sampler{params.temperature, params.top_k, params.top_p};
    validate(sampler);
    values.sampler = sampler;
  });
}

void set_penalties(rwkvmobile_runtime_t runtime, int model_id, int first, int last, const penalty_params& params) {
  change_slots(runtime, model_id, first, last, [&](SlotSettings::Values& values) {
    const rwkv::PenaltyParams penalties{params.presence_penalty, params.frequency_penalty, params.penalty_decay};
    validate(penalties);
    values.penalties = penalties;
  });
}

SlotSettings::Values values_of(AbiModel& model, int slot) { return model.settings()->slots.slot(nearest_slot(slot)); }

}  // namespace

int rwkvmobile_runtime_set_prompt(rwkvmobile_runtime_t runtime, int model_id, const char* prompt) {
  if (!prompt) return kBadArgument;
  return with_model(runtime, model_id, [&](AbiModel& model) { model.set_prompt(prompt); });
}

int rwkvmobile_runtime_get_prompt(rwkvmobile_runtime_t runtime, int model_id, char* prompt, const int buf_len) {
  if (!prompt || buf_len <= 0) return kBadArgument;
  return with_runtime(runtime, [&](AbiHost& of) {
    const auto model = of.find(model_id);
    return write_text(model ? model->settings()->format.prompt : "", prompt, buf_len);
  });
}

int rwkvmobile_runtime_set_eos_token(rwkvmobile_runtime_t runtime, int model_id, const char* eos_token) {
  // Clients send "" for "as usual".
  static const std::string usual = ChatFormat().eos;
  return set_text(runtime, model_id, eos_token, &ChatFormat::eos, usual.c_str());
}

int rwkvmobile_runtime_set_bos_token(rwkvmobile_runtime_t runtime, int model_id, const char* bos_token) {
  return set_text(runtime, model_id, bos_token, &ChatFormat::bos);
}

int rwkvmobile_runtime_set_user_role(rwkvmobile_runtime_t runtime, int model_id, const char* user_role) {
  return set_text(runtime, model_id, user_role, &ChatFormat::user_role);
}

int rwkvmobile_runtime_set_response_role(rwkvmobile_runtime_t runtime, int model_id, const char* response_role) {
  return set_text(runtime, model_id, response_role, &ChatFormat::response_role);
}

int rwkvmobile_runtime_set_space_after_roles(rwkvmobile_runtime_t runtime, int model_id, int space_after_roles) {
  return with_model(runtime, model_id, RWKV_SUCCESS,
                    [&](AbiModel& model) { model.settings()->format.space_after_roles = space_after_roles != 0; });
}

int rwkvmobile_runtime_set_thinking_token(rwkvmobile_runtime_t runtime, int model_id, const char* thinking_token) {
  return set_text(runtime, model_id, thinking_token, &ChatFormat::thinking_token);
}

int rwkvmobile_runtime_set_token_banned(rwkvmobile_runtime_t runtime, int model_id, const int* token_banned,
                                        int token_banned_len) {
  if (token_banned_len < 0 || token_banned_len > kMostBanned || (token_banned_len > 0 && !token_banned)) {
    return kBadArgument;
  }
  return with_model(runtime, model_id, RWKV_SUCCESS, [&](AbiModel& model) {
    rwkv::Tokens tokens;
    if (token_banned_len > 0) tokens.assign(token_banned, token_banned + token_banned_len);
    model.settings()->banned.swap(tokens);
  });
}

sampler_params rwkvmobile_runtime_get_sampler_params(rwkvmobile_runtime_t runtime, int model_id) {
  return rwkvmobile_runtime_get_sampler_params_on_batch_slot(runtime, model_id, 0);
}

sampler_params rwkvmobile_runtime_get_sampler_params_on_batch_slot(rwkvmobile_runtime_t runtime, int model_id,
                                                                   int slot) {
  return read_model(runtime, model_id, sampler_params{}, sampler_params{1, 1, 1}, [&](AbiModel& model) {
    const rwkv::SamplerParams sampler = values_of(model, slot).sampler;
    return sampler_params{sampler.temperature, sampler.top_k, sampler.top_p};
  });
}

void rwkvmobile_runtime_set_sampler_params(rwkvmobile_runtime_t runtime, int model_id, sampler_params params) {
  set_sampler(runtime, model_id, 0, RWKV_BATCH_SLOTS - 1, params);
}

void rwkvmobile_runtime_set_sampler_params_on_batch_slot(rwkvmobile_runtime_t runtime, int model_id, int slot,
                                                         sampler_params params) {
  set_sampler(runtime, model_id, slot, slot, params);
}

penalty_params rwkvmobile_runtime_get_penalty_params(rwkvmobile_runtime_t runtime, int model_id) {
  return rwkvmobile_runtime_get_penalty_params_on_batch_slot(runtime, model_id, 0);
}

penalty_params rwkvmobile_runtime_get_penalty_params_on_batch_slot(rwkvmobile_runtime_t runtime, int model_id,
                                                                   int slot) {
  return read_model(runtime, model_id, penalty_params{}, [&](AbiModel& model) {
    const rwkv::PenaltyParams penalties = values_of(model, slot).penalties;
    return penalty_params{penalties.presence, penalties.frequency, penalties.decay};
  });
}

void rwkvmobile_runtime_set_penalty_params(rwkvmobile_runtime_t runtime, int model_id, penalty_params params) {
  set_penalties(runtime, model_id, 0, RWKV_BATCH_SLOTS - 1, params);
}

void rwkvmobile_runtime_set_penalty_params_on_batch_slot(rwkvmobile_runtime_t runtime, int model_id, int slot,
                                                         penalty_params params) {
  set_penalties(runtime, model_id, slot, slot, params);
}

int rwkvmobile_runtime_set_seed(rwkvmobile_runtime_t runtime, int model_id, int seed) {
  return with_model(runtime, model_id, [&](AbiModel& model) { model.settings()->seeds.set(seed); });
}

int rwkvmobile_runtime_get_seed(rwkvmobile_runtime_t runtime, int model_id) {
  return read_model(runtime, model_id, 0,
                    [](AbiModel& model) { return static_cast<int>(model.settings()->seeds.seed()); });
}
