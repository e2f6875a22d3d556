// What a request for text becomes: tasks made from messages and settings, and a run that fills a GenerationStream.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "host/generation_stream.h"
#include "host/settings.h"
#include "runtime/language_model.h"

namespace rwkv::host {

/// One slot's chat: contents of messages, user first, then taking turns.
struct Conversation {
  std::vector<std::string> messages;
  bool reasoning = false;
  bool force_reasoning = false;
  bool generation_prompt = true;
  ForcedLanguage language = ForcedLanguage::kNone;
};

/// What a new run takes from the model's settings, one a slot.
std::vector<GenerationOptions> options_for_run(ModelSettings& settings, std::size_t slots, int max_tokens);

/// Tasks of chats, `options` one a slot; the stream's slots get the tokens that their answers begin with. Throws what
/// LanguageModel::chat_prompt throws.
std::vector<GenerationTask> chat_tasks(const LanguageModel& model, const ChatFormat& format,
                                       const std::vector<Conversation>& conversations,
                                       std::vector<GenerationOptions> options, GenerationStream& stream);

/// Tasks of completions; the stream's slots begin with their prompts. Throws what LanguageModel::completion_prompt
/// throws.
std::vector<GenerationTask> completion_tasks(const LanguageModel& model, const std::vector<std::string>& prompts,
                                             const std::vector<GenerationOptions>& options, GenerationStream& stream);

/// Makes the tasks and runs them; `stream` gets what they write, and then `then` is called. Never throws: whatever
/// happens, each slot has an end afterwards.
void generate_into(GenerationStream& stream, LanguageModel& model, const CancelToken& cancel,
                   const std::function<std::vector<GenerationTask>()>& make_tasks, const GenerationCallbacks& then);

}  // namespace rwkv::host
