#include "answer.h"

#include <cstdio>

#include "terminal.h"

namespace rwkv::cli {

GenerationResult answer(LanguageModel& model, Prompt prompt, const GenerationOptions& options, bool json) {
  ProgressLine line;
  std::size_t printed = 0;
  GenerationCallbacks callbacks;
  callbacks.on_prefill = [&](std::uint64_t done, std::uint64_t total) {
    if (total >= 512 && done < total) {
      line.show("reading prompt " + std::to_string(done) + "/" + std::to_string(total) + " tokens");
    } else {
      line.clear();
    }
  };
  callbacks.on_token = [&](std::size_t, const Generation& generation) {
    const std::string& text = generation.text();
    if (json || text.size() == printed) return;
    std::fwrite(text.data() + printed, 1, text.size() - printed, stdout);
    std::fflush(stdout);
    if (std::ferror(stdout)) interrupt().cancel();  // nobody can read the rest
    printed = text.size();
  };
  GenerationResult result = model.generate(std::move(prompt), options, callbacks, interrupt());
  if (!json) {
    std::fwrite(result.text.data() + printed, 1, result.text.size() - printed, stdout);
    std::fputs("\n", stdout);
    flush_output();
  }
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
