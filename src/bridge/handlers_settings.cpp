#include <algorithm>
#include <cmath>
#include <utility>

#include "bridge/handlers.h"

namespace rwkv::bridge {
namespace {

int whole_number(double value) { return static_cast<int>(std::clamp(value, -1.0e9, 1.0e9)); }

host::SlotSettings::Values slot_values(double temperature, double top_k, double top_p, double presence,
                                       double frequency, double decay) {
  host::SlotSettings::Values values;
  values.sampler.temperature = static_cast<float>(temperature);
  values.sampler.top_k = whole_number(top_k);
  values.sampler.top_p = static_cast<float>(top_p);
  values.penalties.presence = static_cast<float>(presence);
  values.penalties.frequency = static_cast<float>(frequency);
  values.penalties.decay = static_cast<float>(decay);
  validate(values.sampler);
  validate(values.penalties);
  return values;
}

}  // namespace

void Handlers::handle(const protocol::SetPrompt& request) { model(request.model_id)->set_prompt(request.prompt); }

void Handlers::handle(const protocol::GetPrompt& request) {
  const auto host = find(request.model_id);
  reply(protocol::CurrentPrompt{host ? host->settings()->format.prompt : ""});
}

void Handlers::handle(const protocol::SetMaxLength& request) {
  const auto host = model(request.model_id);
  if (request.max_length > 0) host->settings()->max_length = request.max_length;
}

void Handlers::handle(const protocol::SetGenerationStopToken& request) {
  const auto host = model(request.model_id);
  if (request.stop_token >= 0) host->settings()->stop_token = request.stop_token;
}

void Handlers::handle(const protocol::SetUserRole& request) {
  model(request.model_id)->settings()->format.user_role = request.user_role;
}

void Handlers::handle(const protocol::SetResponseRole& request) {
  model(request.model_id)->settings()->format.response_role = request.response_role;
}

void Handlers::handle(const protocol::SetBosToken& request) {
  model(request.model_id)->settings()->format.bos = request.bos_token;
}

void Handlers::handle(const protocol::SetEosToken& request) {
  model(request.model_id)->settings()->format.eos = request.eos_token;
}

void Handlers::handle(const protocol::SetThinkingToken& request) {
  model(request.model_id)->settings()->format.thinking_token = request.thinking_token;
}

void Handlers::handle(const protocol::SetSpaceAfterRoles& request) {
  model(request.model_id)->settings()->format.space_after_roles = request.space_after_roles;
}

void Handlers::handle(const protocol::SetTokenBanned& request) {
  model(request.model_id)->settings()->banned = request.token_banned;
}

void Handlers::handle(const protocol::SetSamplerParams& request) {
  model(request.model_id)
      ->settings()
      ->slots.set_all(slot_values(request.temperature, request.top_k, request.top_p, request.presence_penalty,
                                  request.frequency_penalty, request.penalty_decay));
}

void Handlers::handle(const protocol::UpdateSampling& request) {
  const auto host = model(request.model_id);
  const auto settings = host->settings();
  settings->slots.change([&](const host::SlotSettings::Values& now) {
    return slot_values(request.temperature.value_or(static_cast<double>(now.sampler.temperature)),
                       request.top_k.value_or(now.sampler.top_k),
                       request.top_p.value_or(static_cast<double>(now.sampler.top_p)),
                       request.presence_penalty.value_or(static_cast<double>(now.penalties.presence)),
                       request.frequency_penalty.value_or(static_cast<double>(now.penalties.frequency)),
                       request.penalty_decay.value_or(static_cast<double>(now.penalties.decay)));
  });
  if (request.seed) settings->seeds.set(*request.seed);
}

void Handlers::handle(const protocol::GetSamplerParams& request) {
  const host::SlotSettings::Values values = model(request.model_id)->settings()->slots.slot(0);
  reply(protocol::SamplerParams{
      static_cast<double>(values.sampler.temperature), static_cast<double>(values.sampler.top_k),
      static_cast<double>(values.sampler.top_p), static_cast<double>(values.penalties.presence),
      static_cast<double>(values.penalties.frequency), static_cast<double>(values.penalties.decay)});
}

void Handlers::handle(const protocol::SetSamplerAndPenaltyParams& request) {
  const auto host = model(request.model_id);
  const std::size_t slots = request.temperatures.size();
  for (const auto* list : {&request.top_ks, &request.top_ps, &request.presence_penalties, &request.frequency_penalties,
                           &request.penalty_decays}) {
    if (list->size() == slots) continue;
    throw Error(ErrorCode::kInvalidArgument,
                "the lists of SetSamplerAndPenaltyParams differ in length; each has one "
                "value a slot");
  }
  if (slots > host::kMostSlots) throw Error(ErrorCode::kInvalidArgument, "more slots than any generation can have");
  std::vector<host::SlotSettings::Values> values;
  for (std::size_t i = 0; i < slots; ++i) {
    values.push_back(slot_values(request.temperatures[i], request.top_ks[i], request.top_ps[i],
                                 request.presence_penalties[i], request.frequency_penalties[i],
                                 request.penalty_decays[i]));
  }
  host->settings()->slots.set_each(std::move(values));
}

void Handlers::handle(const protocol::GetSamplerAndPenaltyParams& request) {
  const auto host = model(request.model_id);
  if (request.batch_size < 0 || static_cast<std::size_t>(request.batch_size) > host::kMostSlots) {
    throw Error(ErrorCode::kInvalidArgument, "batchSize is " + std::to_string(request.batch_size) + ", not 0 to " +
                                                 std::to_string(host::kMostSlots));
  }
  protocol::SamplerAndPenaltyParams answer;
  for (std::size_t i = 0; i < static_cast<std::size_t>(request.batch_size); ++i) {
    const host::SlotSettings::Values values = host->settings()->slots.slot(i);
    answer.temperatures.push_back(static_cast<double>(values.sampler.temperature));
    answer.top_ks.push_back(static_cast<double>(values.sampler.top_k));
    answer.top_ps.push_back(static_cast<double>(values.sampler.top_p));
    answer.presence_penalties.push_back(static_cast<double>(values.penalties.presence));
    answer.frequency_penalties.push_back(static_cast<double>(values.penalties.frequency));
    answer.penalty_decays.push_back(static_cast<double>(values.penalties.decay));
  }
  reply(answer);
}

void Handlers::handle(const protocol::SetSeed& request) {
  model(request.model_id)->settings()->seeds.set(request.seed);
}

void Handlers::handle(const protocol::GetSeed& request) {
  reply(protocol::CurrentSeed{model(request.model_id)->settings()->seeds.seed(), request.model_id});
}

}  // namespace rwkv::bridge
