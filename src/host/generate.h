// Makes a request for text into tasks, from messages and settings, and writes their answers into a run's stream.
#pragma once

#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/model_host.h"
#include "host/run.h"
#include "host/settings.h"
#include "runtime/language_model.h"

namespace rwkv::host {

/// One slot's chat: the contents of its messages, of the user and the assistant in turn, the user's first.
struct Conversation {
  std::vector<std::string> messages;
  bool reasoning = false;
  bool force_reasoning = false;
  bool generation_prompt = true;
  ForcedLanguage language = ForcedLanguage::kNone;
};

/// Called on the worker's thread, where tokenising delays no other request.
using MakeTasks = std::function<std::vector<GenerationTask>()>;

/// The options of a new run from the model's settings, one a slot.
std::vector<GenerationOptions> options_for_run(ModelSettings& settings, std::size_t slots, int max_tokens);

/// A chat's prompt, with the pictures that stand in tags in its messages and in the format's prompt. Throws what
/// LanguageModel::chat_prompt and Senses::perceive throw.
Prompt chat_prompt(const ModelHost& host, ChatFormat format, std::vector<ChatMessage> messages, bool generation_prompt,
                   bool reasoning);

/// The tasks of chats, with one element of `options` a slot. The stream's slots get the tokens that their answers
/// begin with. Throws what chat_prompt() throws.
std::vector<GenerationTask> chat_tasks(const ModelHost& host, const ChatFormat& format,
                                       const std::vector<Conversation>& conversations,
                                       std::vector<GenerationOptions> options, TextStream& stream);

/// Tasks of completions; the stream's slots begin with their prompts. Throws what LanguageModel::completion_prompt
/// throws.
std::vector<GenerationTask> completion_tasks(const LanguageModel& model, const std::vector<std::string>& prompts,
                                             const std::vector<GenerationOptions>& options, TextStream& stream);

/// The prompt of a conversation up to the user's next turn, without a question that has no answer yet. Without messages
/// it is the format's own prompt. Throws what chat_prompt() throws.
Prompt conversation_prompt(const ModelHost& host, const ChatFormat& format, std::vector<std::string> messages);

/// How many bytes at the beginning of a continued answer the request has given itself, without the space that belongs
/// to the template.
std::size_t begun_bytes(const Prompt& prompt) noexcept;

/// Makes the tasks, encodes what they show and submits them; the model writes their answers into the run's stream. The
/// future is ready when the run has ended, in whatever way. `on_news` may be empty; else the model's thread calls it
/// after each change, the last time before the future is ready. It must not throw.
std::future<void> submit_into(const std::shared_ptr<Run>& run, LanguageModel& model, const MakeTasks& make_tasks,
                              const std::function<void()>& on_news);
/// The error of a run that could not begin; nothing for others.
std::optional<Error> refusal(const Run& run);

}  // namespace rwkv::host
