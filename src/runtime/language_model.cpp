#include "runtime/language_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/generation_run.h"

namespace rwkv {
namespace {

constexpr std::uint64_t kCacheBytes = 256u << 20;
constexpr std::string_view kEndOfTextMark = "<EOD>";

double speed(std::size_t tokens, double seconds) {
  return tokens > 0 && seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

Vocabulary choose_vocabulary(const ModelRequest& request, const Model& model) {
  const Vocabulary* embedded = model.embedded_vocabulary();
  if (request.tokenizer_path.empty()) {
    if (embedded) return *embedded;
    throw Error(ErrorCode::kInvalidArgument,
                "'" + request.model_path + "' carries no token list; give a vocabulary file as well");
  }
  Vocabulary vocabulary = Vocabulary::from_file(request.tokenizer_path);
  const auto rows = static_cast<std::size_t>(model.info().vocabulary);
  if (vocabulary.size() > rows) {
    throw Error(ErrorCode::kBadFile, "'" + request.tokenizer_path + "' has ids up to " +
                                         std::to_string(vocabulary.size() - 1) + ", the model '" + request.model_path +
                                         "' has " + std::to_string(rows) + " tokens: it is not this model's vocabulary");
  }
  if (embedded) {
    for (TokenId id = 1; static_cast<std::size_t>(id) < std::min(embedded->size(), vocabulary.size()); ++id) {
      const std::string_view own = embedded->bytes(id);
      if (own.empty() || own == vocabulary.bytes(id)) continue;
      throw Error(ErrorCode::kBadFile, "'" + request.tokenizer_path + "' and '" + request.model_path +
                                           "' disagree about token " + std::to_string(id) +
                                           ": it is not this model's vocabulary");
    }
  }
  return vocabulary;
}

}  // namespace

double GenerationResult::prefill_speed() const noexcept {
  return speed(static_cast<std::size_t>(std::max(prompt_tokens - cached_tokens, 0)), prefill_seconds);
}

double GenerationResult::decode_speed() const noexcept { return speed(tokens.size(), decode_seconds); }

LanguageModel::LanguageModel(std::unique_ptr<Model> model, Tokenizer tokenizer)
    : model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      opening_(tokenizer_.vocabulary()),
      cache_(kCacheBytes) {}

std::unique_ptr<LanguageModel> LanguageModel::load(const ModelRequest& request) {
  const Backend& backend =
      request.backend.empty() ? backend_for_file(request.model_path) : backend_by_name(request.backend);
  std::unique_ptr<Model> model = backend.load(request.model_path, request.options);
  Vocabulary vocabulary = choose_vocabulary(request, *model);
  return std::unique_ptr<LanguageModel>(new LanguageModel(std::move(model), Tokenizer(std::move(vocabulary))));
}

// Only the host's own words may stand for token 0; in what users write the same letters are text.
Tokens LanguageModel::encode_with_end_of_text(std::string_view text, std::size_t trusted_bytes) const {
  Tokens tokens;
  while (true) {
    const std::size_t mark = text.substr(0, trusted_bytes).find(kEndOfTextMark);
    const std::string_view piece = text.substr(0, mark);
    if (const auto gap = tokenizer_.encode(piece, tokens)) {
      throw Error(ErrorCode::kInvalidArgument, "the model's vocabulary has no token for byte " +
                                                   std::to_string(gap->byte) + " of the prompt");
    }
    if (mark == std::string_view::npos) return tokens;
    tokens.push_back(kEndOfText);
    text.remove_prefix(mark + kEndOfTextMark.size());
    trusted_bytes -= mark + kEndOfTextMark.size();
  }
}

Prompt LanguageModel::chat_prompt(const ChatFormat& format, std::span<const ChatMessage> messages,
                                  bool generation_prompt, bool reasoning) const {
  if (messages.empty()) throw Error(ErrorCode::kInvalidArgument, "a chat needs at least one message");
  const ChatText chat = format_chat(format, messages, generation_prompt, reasoning);
  Prompt prompt;
  prompt.tokens = encode_with_end_of_text(chat.text, chat.prompt_bytes);
  if (prompt.tokens.empty()) prompt.tokens.push_back(kEndOfText);
  prompt.reply = chat.text.substr(chat.reply_offset);
  prompt.resumes_answer = !generation_prompt && messages.back().role == "assistant";
  prompt.stops = stop_strings(format);
  return prompt;
}

Prompt LanguageModel::completion_prompt(std::string_view text) const {
  Prompt prompt;
  prompt.chat = false;
  prompt.tokens = encode_with_end_of_text(text, text.size());
  if (prompt.tokens.empty()) prompt.tokens.push_back(kEndOfText);
  return prompt;
}

std::vector<GenerationResult> LanguageModel::generate(std::vector<GenerationTask> tasks,
                                                      const GenerationCallbacks& callbacks,
                                                      const CancelToken& cancel) {
  const auto turn = take_turn();
  return GenerationRun(*this, std::move(tasks), callbacks, cancel).run();
}

GenerationResult LanguageModel::generate(Prompt prompt, const GenerationOptions& options,
                                         const GenerationCallbacks& callbacks, const CancelToken& cancel) {
  std::vector<GenerationTask> tasks;
  tasks.push_back({std::move(prompt), options});
  return std::move(generate(std::move(tasks), callbacks, cancel).front());
}

std::vector<float> LanguageModel::logits(std::span<const TokenId> tokens, const CancelToken& cancel) {
  const auto turn = take_turn();
  if (tokens.empty()) throw Error(ErrorCode::kInvalidArgument, "no tokens to evaluate; give at least one");
  Sequence& sequence = first_sequence();
  sequence.reset();
  EvalItem item{&sequence, tokens, true, {}};
  model_->evaluate(std::span(&item, 1), cancel);
  return {item.logits.begin(), item.logits.end()};
}

Score LanguageModel::score(std::string_view source, std::string_view target, const CancelToken& cancel) {
  Tokens context{kEndOfText};
  const Tokens source_tokens = tokenizer_.encode(source);
  context.insert(context.end(), source_tokens.begin(), source_tokens.end());
  const Tokens wanted = tokenizer_.encode(target);
  if (wanted.empty()) throw Error(ErrorCode::kInvalidArgument, "there is nothing to score: the target text is empty");

  const auto turn = take_turn();
  Sequence& sequence = first_sequence();
  sequence.reset();
  Score score;
  score.greedy_matches = true;
  EvalItem item{&sequence, context, true, {}};
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    model_->evaluate(std::span(&item, 1), cancel);
    const auto best = std::max_element(item.logits.begin(), item.logits.end());
    double sum = 0;
    for (const float logit : item.logits) sum += std::exp(static_cast<double>(logit) - static_cast<double>(*best));
    const auto logit = item.logits[static_cast<std::size_t>(wanted[i])];
    score.log_probability += static_cast<double>(logit) - static_cast<double>(*best) - std::log(sum);
    const auto greedy = static_cast<TokenId>(best - item.logits.begin());
    score.greedy_matches = score.greedy_matches && greedy == wanted[i];
    score.greedy_text += tokenizer_.bytes(greedy);
    item.tokens = std::span(&wanted[i], 1);
  }
  return score;
}

State LanguageModel::state_after(std::span<const TokenId> tokens, const CancelToken& cancel) {
  const auto turn = take_turn();
  if (tokens.empty()) throw Error(ErrorCode::kInvalidArgument, "no tokens to evaluate; give at least one");
  const State known = cache_.longest_prefix(tokens);
  const auto done = static_cast<std::size_t>(known.position());
  if (done == tokens.size()) return known;
  Sequence& sequence = first_sequence();
  sequence.restore(known);
  EvalItem item{&sequence, tokens.subspan(done), false, {}};
  model_->evaluate(std::span(&item, 1), cancel);
  State state = sequence.save();
  cache_.insert(tokens, state);
  return state;
}

void LanguageModel::remember(std::span<const TokenId> tokens, const State& state) {
  const auto turn = take_turn();
  if (state.position() != static_cast<std::int64_t>(tokens.size())) {
    throw Error(ErrorCode::kInvalidArgument, "the state is that after " + std::to_string(state.position()) +
                                                 " tokens, not after " + std::to_string(tokens.size()));
  }
  first_sequence().restore(state);  // refuses what is not of this model
  cache_.insert(tokens, state);
}

std::unique_lock<std::mutex> LanguageModel::take_turn() {
  std::unique_lock lock(busy_, std::try_to_lock);
  if (!lock) throw Error(ErrorCode::kBusy, "this model is generating already; wait for it or stop it first");
  return lock;
}

Sequence& LanguageModel::first_sequence() {
  if (sequences_.empty()) sequences_.push_back(model_->create_sequence());
  return *sequences_.front();
}

}  // namespace rwkv
