#include "host/generate.h"

#include <memory>
#include <utility>

#include "base/error_of.h"

namespace rwkv::host {

std::vector<GenerationOptions> options_for_run(ModelSettings& settings, std::size_t slots, int max_tokens) {
  std::vector<GenerationOptions> all(slots);
  const std::vector<std::uint64_t> seeds = settings.seeds.next_run(slots);
  for (std::size_t i = 0; i < slots; ++i) {
    all[i].max_tokens = max_tokens;
    all[i].sampler = settings.slots.slot(i).sampler;
    all[i].penalties = settings.slots.slot(i).penalties;
    all[i].seed = seeds[i];
    all[i].banned = settings.banned;
  }
  return all;
}

std::size_t begun_bytes(const Prompt& prompt) noexcept {
  return prompt.reply.size() - (prompt.reply.starts_with(' ') ? 1 : 0);
}

Prompt chat_prompt(const ModelHost& host, ChatFormat format, std::vector<ChatMessage> messages, bool generation_prompt,
                   bool reasoning) {
  host.senses().take_pictures(format);
  host.senses().take_pictures(messages);
  return host.model().chat_prompt(format, messages, generation_prompt, reasoning);
}

std::vector<GenerationTask> chat_tasks(const ModelHost& host, const ChatFormat& format,
                                       const std::vector<Conversation>& conversations,
                                       std::vector<GenerationOptions> options, TextStream& stream) {
  std::vector<GenerationTask> tasks;
  for (std::size_t i = 0; i < conversations.size(); ++i) {
    const Conversation& c = conversations[i];
    Prompt prompt = chat_prompt(host, format, alternate_roles(c.messages), c.generation_prompt, c.reasoning);
    Tokens begun;
    if (!prompt.reply.empty()) host.model().tokenizer().encode(prompt.reply, begun);
    stream.start(i, "", std::move(begun), c.generation_prompt ? 0 : begun_bytes(prompt));
    options[i].reasoning = c.reasoning;
    options[i].force_reasoning = c.force_reasoning;
    options[i].language = c.language;
    tasks.push_back({std::move(prompt), std::move(options[i])});
  }
  return tasks;
}

std::vector<GenerationTask> completion_tasks(const LanguageModel& model, const std::vector<std::string>& prompts,
                                             const std::vector<GenerationOptions>& options, TextStream& stream) {
  std::vector<GenerationTask> tasks;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    Prompt prompt = model.completion_prompt(prompts[i]);
    stream.start(i, prompts[i], prompt.tokens);
    tasks.push_back({std::move(prompt), options[i]});
  }
  return tasks;
}

Prompt conversation_prompt(const ModelHost& host, const ChatFormat& format, std::vector<std::string> messages) {
  if (messages.size() % 2 == 1) messages.pop_back();
  if (!messages.empty()) return chat_prompt(host, format, alternate_roles(messages), true, false);
  ChatFormat used = format;
  host.senses().take_pictures(used);
  return host.model().prompts().completion(used.prompt, used.prompt_media);
}

namespace {

// Half of a row's work is its encoding. While that goes on nothing else counts.
void encode_media(Run& run, LanguageModel& model, const std::vector<GenerationTask>& tasks,
                  const std::function<void()>& on_news) {
  std::uint64_t total = 0;
  for (const GenerationTask& task : tasks) total += task.prompt.tokens.size();
  for (const GenerationTask& task : tasks) {
    std::size_t rows = 0;
    for (const MediaPlace& place : task.prompt.media) rows += place.embeddings->rows();
    model.encode_media(task.prompt, task.options.use_cache, run.cancel, [&](float share) {
      run.stream.set_prefill(static_cast<std::uint64_t>(share * static_cast<float>(rows) / 2), total);
      if (on_news) on_news();
    });
  }
}

}  // namespace

std::future<void> submit_into(const std::shared_ptr<Run>& run, LanguageModel& model, const MakeTasks& make_tasks,
                              const std::function<void()>& on_news) {
  const auto ended = std::make_shared<std::promise<void>>();
  const auto finish = [run, ended, on_news](EndReason reason, const std::optional<Error>& error) {
    run->stream.finish(reason, error);
    if (on_news) on_news();
    ended->set_value();
  };
  std::future<void> end = ended->get_future();
  const auto error = error_of([&] {
    run->cancel.check();
    GenerationCallbacks callbacks;
    callbacks.on_prefill = [run, on_news](std::uint64_t done, std::uint64_t total) {
      run->stream.set_prefill(done, total);
      if (on_news) on_news();
    };
    callbacks.on_token = [run, on_news](std::size_t slot, const Generation& generation) {
      run->stream.append(slot, generation);
      if (on_news) on_news();
    };
    std::vector<GenerationTask> tasks = make_tasks();
    encode_media(*run, model, tasks, on_news);
    model.submit(std::move(tasks), std::move(callbacks), run->cancel,
                 [run, finish](std::vector<GenerationResult> results) {
                   std::optional<Error> of_a_slot;
                   for (const GenerationResult& result : results) {
                     if (!of_a_slot) of_a_slot = result.error;
                   }
                   run->results = std::move(results);
                   finish(EndReason::kError, of_a_slot);
                 });
  });
  if (error) finish(error->code() == ErrorCode::kCancelled ? EndReason::kCancelled : EndReason::kError, error);
  return end;
}

std::optional<Error> refusal(const Run& run) {
  if (!run.stream.ended() || !run.results.empty()) return std::nullopt;
  const std::optional<Error> error = run.stream.end(0)->error;
  return error ? error : Error(ErrorCode::kCancelled, "cancelled by the caller");
}

}  // namespace rwkv::host
