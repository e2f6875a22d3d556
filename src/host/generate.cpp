#include "host/generate.h"

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

std::vector<GenerationTask> chat_tasks(const LanguageModel& model, const ChatFormat& format,
                                       const std::vector<Conversation>& conversations,
                                       std::vector<GenerationOptions> options, GenerationStream& stream) {
  std::vector<GenerationTask> tasks;
  for (std::size_t i = 0; i < conversations.size(); ++i) {
    const Conversation& c = conversations[i];
    Prompt prompt = model.chat_prompt(format, alternate_roles(c.messages), c.generation_prompt, c.reasoning);
    Tokens begun;
    if (!prompt.reply.empty()) model.tokenizer().encode(prompt.reply, begun);
    // An answer that goes on begins with what the request holds, but for the space that belongs to the template.
    const std::size_t given = c.generation_prompt ? 0 : prompt.reply.size() - (prompt.reply.starts_with(' ') ? 1 : 0);
    stream.start(i, "", std::move(begun), given);
    options[i].reasoning = c.reasoning;
    options[i].force_reasoning = c.force_reasoning;
    options[i].language = c.language;
    tasks.push_back({std::move(prompt), std::move(options[i])});
  }
  return tasks;
}

std::vector<GenerationTask> completion_tasks(const LanguageModel& model, const std::vector<std::string>& prompts,
                                             const std::vector<GenerationOptions>& options, GenerationStream& stream) {
  std::vector<GenerationTask> tasks;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    Prompt prompt = model.completion_prompt(prompts[i]);
    stream.start(i, prompts[i], prompt.tokens);
    tasks.push_back({std::move(prompt), options[i]});
  }
  return tasks;
}

void generate_into(GenerationStream& stream, LanguageModel& model, const CancelToken& cancel,
                   const std::function<std::vector<GenerationTask>()>& make_tasks, const GenerationCallbacks& then) {
  EndReason reason = EndReason::kError;
  std::optional<Error> of_a_slot;
  const auto error = error_of([&] {
    cancel.check();
    GenerationCallbacks callbacks;
    callbacks.on_prefill = [&](std::uint64_t done, std::uint64_t total) {
      stream.set_prefill(done, total);
      if (then.on_prefill) then.on_prefill(done, total);
    };
    callbacks.on_token = [&](std::size_t slot, const Generation& generation) {
      stream.append(slot, generation, cancel);
      if (then.on_token) then.on_token(slot, generation);
    };
    for (const GenerationResult& result : model.generate(make_tasks(), callbacks, cancel)) {
      if (!of_a_slot) of_a_slot = result.error;
    }
  });
  if (error && error->code() == ErrorCode::kCancelled) reason = EndReason::kCancelled;
  stream.finish(reason, error ? error : of_a_slot);
}

}  // namespace rwkv::host
