#include "answer.h"

#include <cstdio>
#include <future>
#include <utility>

#include "host/generate.h"
#include "terminal.h"

namespace rwkv::cli {

GenerationResult answer(LanguageModel& model, Prompt prompt, const GenerationOptions& options, bool json) {
  const auto run = std::make_shared<host::Run>(1, false, interrupt());
  const bool shows_something = !prompt.media.empty();
  const auto submit = [&] {
    return host::submit_into(
        run, model,
        [&] {
          std::vector<GenerationTask> tasks;
          tasks.push_back({std::move(prompt), options});
          return tasks;
        },
        nullptr);
  };
  // What it shows is encoded before, which takes a while.
  const std::future<void> end = shows_something ? std::async(std::launch::async, [&] { submit().wait(); }) : submit();
  ProgressLine line;
  bool ended = false;
  std::size_t printed = 0;
  for (std::uint64_t seen = 0; !ended;) {
    seen = run->stream.wait_for_news(seen);
    ended = run->stream.ended();
    const auto prefill = run->stream.prefill();
    if ((shows_something || prefill.total >= 512) && prefill.done < prefill.total && !ended) {
      line.show("reading prompt " + std::to_string(prefill.done) + "/" + std::to_string(prefill.total) + " tokens");
    } else {
      line.clear();
    }
    const std::string text = json ? "" : run->stream.text_after(0, printed);
    if (text.empty()) continue;
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
    if (std::ferror(stdout)) interrupt().cancel();  // nobody can read the rest
    printed += text.size();
  }
  end.wait();
  if (const auto error = host::refusal(*run)) throw Error(*error);
  if (!json) {
    std::fputs("\n", stdout);
    flush_output();
  }
  GenerationResult result = std::move(run->results.front());
  if (result.error) throw *result.error;
  return result;
}

void print_speeds(const GenerationResult& result) {
  std::fprintf(stderr, "[%zu tokens, %.1f tokens/s (prompt %d tokens, %d cached, %.1f tokens/s), %s]\n",
               result.tokens.size(), result.decode_speed(), result.prompt_tokens, result.cached_tokens,
               result.prefill_speed(), std::string(to_string(result.reason)).c_str());
}

Json to_json(const GenerationResult& result) {
  return {{"text", result.text},
          {"reason", to_string(result.reason)},
          {"tokens", result.tokens},
          {"promptTokens", result.prompt_tokens},
          {"cachedTokens", result.cached_tokens},
          {"generatedTokens", result.tokens.size()},
          {"prefillSpeed", result.prefill_speed()},
          {"decodeSpeed", result.decode_speed()}};
}

}  // namespace rwkv::cli
