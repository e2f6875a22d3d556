// What a request for text becomes: tasks made from messages and settings, whose answers a run's stream gets.
#pragma once

#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/run.h"
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

/// Called on the model's thread, where tokenising may take its time.
using MakeTasks = std::function<std::vector<GenerationTask>()>;

/// What a new run takes from the model's settings, one a slot.
std::vector<GenerationOptions> options_for_run(ModelSettings& settings, std::size_t slots, int max_tokens);

/// Tasks of chats, `options` one a slot; the stream's slots get the tokens that their answers begin with. Throws what
/// LanguageModel::chat_prompt throws.
std::vector<GenerationTask> chat_tasks(const LanguageModel& model, const ChatFormat& format,
                                       const std::vector<Conversation>& conversations,
                                       std::vector<GenerationOptions> options, TextStream& stream);

/// Tasks of completions; the stream's slots begin with their prompts. Throws what LanguageModel::completion_prompt
/// throws.
std::vector<GenerationTask> completion_tasks(const LanguageModel& model, const std::vector<std::string>& prompts,
                                             const std::vector<GenerationOptions>& options, TextStream& stream);

/// The prompt of a conversation as its next question finds it: up to the user's role, without a question that has no
/// answer yet; without messages that of the format's own prompt. Throws what LanguageModel::chat_prompt throws.
Prompt conversation_prompt(const LanguageModel& model, const ChatFormat& format, std::vector<std::string> messages);

/// How many bytes at the beginning of an answer that goes on repeat what the request holds of it: without the space
/// that belongs to the template.
std::size_t begun_bytes(const Prompt& prompt) noexcept;

/// Makes the tasks and starts to write their answers into the run's stream; what comes back is ready when that has
/// ended, whatever happens. `on_news` (or nothing) is called on the model's thread after each change, before the end is
/// ready, and must not throw.
std::future<void> submit_into(const std::shared_ptr<Run>& run, LanguageModel& model, const MakeTasks& make_tasks,
                              const std::function<void()>& on_news);
/// Why the run could not begin, if it could not.
std::optional<Error> refusal(const Run& run);

}  // namespace rwkv::host
