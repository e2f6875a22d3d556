// Polls: they answer for unknown and idle models too, with what an idle model says.
#include <algorithm>
#include <cmath>
#include <utility>

#include "bridge/handlers.h"

namespace rwkv::bridge {

void Handlers::note_look(ModelHost& host) const {
  if (host.generating) {
    host.run->behind.insert(origin_.port);
  } else {
    host.run->behind.erase(origin_.port);
  }
}

void Handlers::handle(const protocol::GetResponseBufferContent& request) {
  const auto host = find(request.model_id);
  protocol::ResponseBufferContent answer;
  if (host && host->run) {
    if (!host->generating && host->end_notice) runtime_.give_end_notice(*host);
    note_look(*host);
    answer.response_buffer_content = host->run->stream.text(0);
    answer.eos_found = host->run->stream.eos_found(0);
  }
  reply(answer);
}

void Handlers::handle(const protocol::GetBatchResponseBufferContent& request) {
  const auto host = find(request.model_id);
  protocol::ResponseBatchBufferContent answer;
  if (host && host->run) {
    if (!host->generating && host->end_notice) runtime_.give_end_notice(*host);
    note_look(*host);
    const GenerationStream& stream = host->run->stream;
    for (std::size_t slot = 0; slot < stream.slots(); ++slot) {
      answer.response_buffer_content.push_back(stream.text(slot));
      answer.eos_found.push_back(stream.eos_found(slot));
    }
    answer.batch_size = static_cast<std::int32_t>(stream.slots());
  }
  reply(answer);
}

void Handlers::handle(const protocol::GetIsGenerating& request) {
  const auto host = find(request.model_id);
  const bool behind = host && !host->generating && host->run && host->run->behind.erase(origin_.port) > 0;
  reply(protocol::IsGenerating{host && (host->generating || behind), request.model_id});
  if (host && !host->generating && !behind && host->end_notice) runtime_.give_end_notice(*host);
}

void Handlers::handle(const protocol::GetResponseBufferIds& request) {
  const auto host = find(request.model_id);
  reply(protocol::ResponseBufferIds{host && host->run ? host->run->stream.tokens(0) : Tokens()});
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
    const SpeedMeter& speeds = host->model->speeds();
    answer.prefill_progress = std::clamp(speeds.prefill_progress(), 0.0, 1.0);
    answer.prefill_speed = speeds.prefill_speed();
    answer.decode_speed = speeds.decode_speed();
  }
  reply(answer);
}

void Handlers::handle(const protocol::GetSupportedBatchSizes& request) {
  protocol::SupportedBatchSizes answer;
  if (const auto host = find(request.model_id)) {
    for (const int size : host->model->info().batch_sizes) {
      if (size > 1) answer.supported_batch_sizes.push_back(size);
    }
  }
  reply(answer);
}

void Handlers::handle(const protocol::CalculateTokensCountRaw& request) {
  Tokens tokens;
  model(request.model_id)->model->tokenizer().encode(request.text, tokens);
  reply(protocol::TokensCount{static_cast<std::int64_t>(tokens.size())});
}

void Handlers::handle(const protocol::CalculateTokensCountFromMessages& request) {
  const auto host = model(request.model_id);
  if (request.messages.empty()) {
    reply(protocol::TokensCount{0});
    return;
  }
  const Prompt prompt =
      host->model->chat_prompt(host->settings.format, alternate_roles(request.messages), false, false);
  reply(protocol::TokensCount{static_cast<std::int64_t>(prompt.tokens.size())});
}

// Polls of speech, which is not built: nothing is ever spoken.
void Handlers::handle(const protocol::GetTTSStreamingBuffer&) { reply(protocol::TTSStreamingBuffer{}); }

void Handlers::handle(const protocol::GetCurrentTTSGlobalTokens&) { reply(protocol::TTSGlobalTokens{}); }

void Handlers::handle(const protocol::ReleaseTTSModels&) {}

}  // namespace rwkv::bridge
