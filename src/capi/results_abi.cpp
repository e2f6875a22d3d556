// rwkv_mobile.h: what generations wrote, and token counts.
#include <string>
#include <vector>

#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/memory.h"
#include "host/generate.h"

using namespace rwkv::capi;
using rwkv::host::TextStream;

namespace {

int length_of(const std::string& text) { return static_cast<int>(text.size()); }

// Fills zeroed arrays, so that what is there can be freed when memory runs out half way.
void fill(const TextStream& stream, response_buffer_batch& buffer) {
  const std::size_t slots = stream.slots();
  buffer.contents = zeros<char*>(slots);
  buffer.lengths = zeros<int>(slots);
  buffer.eos_founds = zeros<int>(slots);
  buffer.batch_size = static_cast<int>(slots);
  for (std::size_t slot = 0; slot < slots; ++slot) {
    // The flag before the text: an end that is seen has all its text.
    buffer.eos_founds[slot] = stream.eos_found(slot) ? 1 : 0;
    const std::string text = stream.text(slot);
    buffer.contents[slot] = copy_text(text);
    buffer.lengths[slot] = length_of(text);
  }
}

}  // namespace

response_buffer rwkvmobile_runtime_get_response_buffer_content(rwkvmobile_runtime_t runtime, int model_id) {
  return read_runtime(runtime, response_buffer{}, [&](AbiHost& of) {
    const auto model = of.find(model_id);
    const auto run = model ? model->run(AbiModel::Buffer::kSingle) : nullptr;
    const bool eos = run && run->stream.eos_found(0);
    const std::string text = run ? run->stream.text(0) : "";
    return response_buffer{copy_text(text), length_of(text), eos ? 1 : 0};
  });
}

void rwkvmobile_runtime_free_response_buffer(response_buffer buffer) { release(buffer.content); }

response_buffer_batch rwkvmobile_runtime_get_response_buffer_content_batch(rwkvmobile_runtime_t runtime, int model_id) {
  response_buffer_batch buffer{};
  const bool complete = read_model(runtime, model_id, false, true, [&](const AbiModel& model) {
    if (const auto run = model.run(AbiModel::Buffer::kBatch)) fill(run->stream, buffer);
    return true;
  });
  if (complete) return buffer;
  rwkvmobile_runtime_free_response_buffer_batch(buffer);
  return {};
}

void rwkvmobile_runtime_free_response_buffer_batch(response_buffer_batch buffer) {
  for (int i = 0; buffer.contents && i < buffer.batch_size; ++i) release(buffer.contents[i]);
  release(buffer.contents);
  release(buffer.lengths);
  release(buffer.eos_founds);
}

token_ids rwkvmobile_runtime_get_response_buffer_ids(rwkvmobile_runtime_t runtime, int model_id) {
  return read_model(runtime, model_id, token_ids{}, [](const AbiModel& model) {
    const auto run = model.run(AbiModel::Buffer::kSingle);
    const rwkv::Tokens tokens = run ? run->stream.tokens_from(0, 0).what : rwkv::Tokens();
    return token_ids{copy_array(std::span(tokens)), static_cast<int>(tokens.size())};
  });
}

void rwkvmobile_runtime_free_token_ids(token_ids ids) { release(ids.ids); }

int rwkvmobile_runtime_get_response_buffer_tokens_count(rwkvmobile_runtime_t runtime, int model_id) {
  return read_model(runtime, model_id, 0, [](const AbiModel& model) {
    const auto run = model.run(AbiModel::Buffer::kSingle);
    return run ? static_cast<int>(run->stream.token_count(0)) : 0;
  });
}

batch_tokens_count rwkvmobile_runtime_get_response_buffer_tokens_count_batch(rwkvmobile_runtime_t runtime,
                                                                             int model_id) {
  batch_tokens_count result{};
  with_runtime(runtime, [&](AbiHost& of) -> int {
    const auto model = of.find(model_id);
    const auto run = model ? model->run(AbiModel::Buffer::kBatch) : nullptr;
    if (!run) return RWKV_SUCCESS;
    std::vector<std::int32_t> counts;
    for (std::size_t slot = 0; slot < run->stream.slots(); ++slot) {
      counts.push_back(static_cast<std::int32_t>(run->stream.token_count(slot)));
    }
    std::vector<std::int32_t>& kept = of.token_counts.keep(std::move(counts));
    result = {kept.data(), static_cast<int>(kept.size())};
    return RWKV_SUCCESS;
  });
  return result;
}

int rwkvmobile_runtime_calculate_tokens_count_from_text(rwkvmobile_runtime_t runtime, int model_id, const char* text) {
  if (!text) return 0;
  return read_model(runtime, model_id, 0, [&](const AbiModel& model) {
    rwkv::Tokens tokens;
    model.model().tokenizer().encode(text, tokens);
    return static_cast<int>(tokens.size());
  });
}

int rwkvmobile_runtime_calculate_tokens_count_from_messages(rwkvmobile_runtime_t runtime, int model_id,
                                                            const char** inputs, const int num_inputs) {
  if (!inputs || num_inputs <= 0) return 0;
  return read_model(runtime, model_id, 0, [&](AbiModel& model) {
    const auto messages = copy_texts(inputs, num_inputs);
    if (!messages || messages->front().empty()) return 0;
    const rwkv::ChatFormat format = model.settings()->chat_format();
    const auto prompt = rwkv::host::chat_prompt(model, format, rwkv::alternate_roles(*messages), false, false);
    return static_cast<int>(prompt.tokens.size());
  });
}
