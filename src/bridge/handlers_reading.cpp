// Polls: they answer for unknown and idle models too, with what an idle model says.
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "bridge/handlers.h"

namespace rwkv::bridge {
namespace {

// How much of the run's text the client has: only what it has of this run counts.
std::size_t known_part(const BridgedRun& run, std::optional<std::int64_t> after,
                       std::optional<std::int64_t> generation_id) {
  return after && *after > 0 && generation_id == run.id ? static_cast<std::size_t>(*after) : 0;
}

}  // namespace

void Handlers::note_look(BridgedModel& host) const {
  if (host.running) {
    host.run->behind.insert(origin_.port);
  } else {
    host.run->behind.erase(origin_.port);
  }
}

void Handlers::handle(const protocol::GetResponseBufferContent& request) {
  const auto host = find(request.model_id);
  protocol::ResponseBufferContent answer;
  if (host && host->run) {
    if (!host->running && host->end_notice) runtime_.give_end_notice(*host);
    note_look(*host);
    const BridgedRun& run = *host->run;
    auto rest = run.stream.text_from(0, known_part(run, request.after, request.generation_id));
    answer.response_buffer_content = std::move(rest.what);
    answer.eos_found = run.stream.eos_found(0);
    if (request.after) {
      answer.generation_id = run.id;
      answer.after = static_cast<std::int64_t>(rest.begin);
      answer.length = static_cast<std::int64_t>(rest.length);
    }
  }
  reply(std::move(answer));
}

void Handlers::handle(const protocol::GetBatchResponseBufferContent& request) {
  const auto host = find(request.model_id);
  protocol::ResponseBatchBufferContent answer;
  if (host && host->run) {
    if (!host->running && host->end_notice) runtime_.give_end_notice(*host);
    note_look(*host);
    const BridgedRun& run = *host->run;
    if (request.after) {
      answer.generation_id = run.id;
      answer.after.emplace();
      answer.lengths.emplace();
    }
    for (std::size_t slot = 0; slot < run.stream.slots(); ++slot) {
      const bool named = request.after && slot < request.after->size();
      const auto after = named ? std::optional((*request.after)[slot]) : std::nullopt;
      auto rest = run.stream.text_from(slot, known_part(run, after, request.generation_id));
      answer.response_buffer_content.push_back(std::move(rest.what));
      answer.eos_found.push_back(run.stream.eos_found(slot));
      if (!request.after) continue;
      answer.after->push_back(static_cast<std::int64_t>(rest.begin));
      answer.lengths->push_back(static_cast<std::int64_t>(rest.length));
    }
    answer.batch_size = static_cast<std::int32_t>(run.stream.slots());
  }
  reply(std::move(answer));
}

void Handlers::handle(const protocol::GetIsGenerating& request) {
  const auto host = find(request.model_id);
  const bool behind = host && !host->running && host->run && host->run->behind.erase(origin_.port) > 0;
  reply(protocol::IsGenerating{host && (host->running || behind), request.model_id});
  if (host && !host->running && !behind && host->end_notice) runtime_.give_end_notice(*host);
}

void Handlers::handle(const protocol::GetResponseBufferIds& request) {
  const auto host = find(request.model_id);
  protocol::ResponseBufferIds answer;
  if (host && host->run) {
    const BridgedRun& run = *host->run;
    auto rest = run.stream.tokens_from(0, known_part(run, request.after, request.generation_id));
    answer.response_buffer_ids = std::move(rest.what);
    if (request.after) {
      answer.generation_id = run.id;
      answer.after = static_cast<std::int64_t>(rest.begin);
      answer.length = static_cast<std::int64_t>(rest.length);
    }
  }
  reply(std::move(answer));
}

void Handlers::handle(const protocol::GetResponseBufferTokensCount& request) {
  const auto host = find(request.model_id);
  reply(protocol::TokensCount{host && host->run ? static_cast<std::int64_t>(host->run->stream.token_count(0))
                                                : std::int64_t{0}});
}

void Handlers::handle(const protocol::GetResponseBufferTokensCountBatch& request) {
  const auto host = find(request.model_id);
  protocol::TokensCountBatch answer;
  if (host && host->run) {
    for (std::size_t slot = 0; slot < host->run->stream.slots(); ++slot) {
      answer.tokens_counts.push_back(static_cast<std::int64_t>(host->run->stream.token_count(slot)));
    }
  }
  answer.batch_size = static_cast<std::int32_t>(answer.tokens_counts.size());
  reply(answer);
}

void Handlers::handle(const protocol::GetPrefillAndDecodeSpeed& request) {
  const auto host = find(request.model_id);
  protocol::Speed answer;
  if (host) {
    const SpeedMeter& speeds = host->model().speeds();
    answer.prefill_progress = std::clamp(speeds.prefill_progress(), 0.0, 1.0);
    answer.prefill_speed = speeds.prefill_speed();
    answer.decode_speed = speeds.decode_speed();
  }
  reply(answer);
}

void Handlers::handle(const protocol::GetSupportedBatchSizes& request) {
  protocol::SupportedBatchSizes answer;
  if (const auto host = find(request.model_id)) {
    for (const int size : host->model().info().batch_sizes) {
      if (size > 1) answer.supported_batch_sizes.push_back(size);
    }
  }
  reply(answer);
}

void Handlers::handle(const protocol::CalculateTokensCountRaw& request) {
  Tokens tokens;
  model(request.model_id)->model().tokenizer().encode(request.text, tokens);
  reply(protocol::TokensCount{static_cast<std::int64_t>(tokens.size())});
}

void Handlers::handle(const protocol::CalculateTokensCountFromMessages& request) {
  const auto host = model(request.model_id);
  if (request.messages.empty()) {
    reply(protocol::TokensCount{0});
    return;
  }
  const Prompt prompt =
      host::chat_prompt(*host, host->settings()->chat_format(), alternate_roles(request.messages), false, false);
  reply(protocol::TokensCount{static_cast<std::int64_t>(prompt.tokens.size())});
}

// Polls of speech, which is not built: nothing is ever spoken.
void Handlers::handle(const protocol::GetTTSStreamingBuffer&) { reply(protocol::TTSStreamingBuffer{}); }

void Handlers::handle(const protocol::GetCurrentTTSGlobalTokens&) { reply(protocol::TTSGlobalTokens{}); }

void Handlers::handle(const protocol::ReleaseTTSModels&) {}

}  // namespace rwkv::bridge
