#include "runtime/language_model.h"

#include <algorithm>
#include <future>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include "base/machine.h"
#include "runtime/address_claim.h"
#include "runtime/generation_task.h"
#include "runtime/model_description.h"

namespace rwkv {
namespace {

// A sixteenth of the memory, between 32 MB and 1 GB.
std::uint64_t default_cache_bytes() {
  constexpr std::uint64_t kLeast = std::uint64_t{32} << 20;
  constexpr std::uint64_t kMost = std::uint64_t{1} << 30;
  return std::clamp(inspect_machine().memory_bytes / 16, kLeast, kMost);
}

double speed(std::size_t tokens, double seconds) {
  return tokens > 0 && seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

// Converters fill a token list up to the model's rows with these. They mark them as unused, but not all do.
bool is_padding(std::string_view text, TokenId id) { return text == "[PAD" + std::to_string(id) + "]"; }

// For errors.
std::string source_of_vocabulary(const ModelRequest& request) {
  return request.tokenizer_path.empty() ? "the token list in '" + request.model_path + "'"
                                        : "the vocabulary '" + request.tokenizer_path + "'";
}

// A file may know less of what the model never reads (padding, control tokens), and nothing else.
void refuse_other_vocabulary(const Vocabulary& given, const Vocabulary& embedded, const ModelRequest& request) {
  const auto refuse = [&](const std::string& problem) {
    return Error(
        ErrorCode::kBadFile,
        problem + ": it is not this model's vocabulary, or not all of it; leave it out to use the model file's own");
  };
  const std::string file = "'" + request.tokenizer_path + "'";
  const std::string model = "'" + request.model_path + "'";
  for (TokenId id = 1; static_cast<std::size_t>(id) < embedded.size(); ++id) {
    const std::string_view own = embedded.bytes(id);
    const std::string_view other = given.bytes(id);
    if (own.empty() || own == other || is_padding(own, id)) continue;
    if (other.empty()) throw refuse(file + " has no token " + std::to_string(id) + ", which " + model + " has");
    throw refuse(file + " and " + model + " disagree about token " + std::to_string(id));
  }
}

}  // namespace

Vocabulary choose_vocabulary(const ModelRequest& request, const ModelInfo& info, const Vocabulary* embedded) {
  if (request.tokenizer_path.empty()) {
    if (embedded) return *embedded;
    throw Error(ErrorCode::kInvalidArgument,
                "'" + request.model_path + "' carries no token list; give a vocabulary file as well",
                request.model_path);
  }
  Vocabulary vocabulary = Vocabulary::from_file(request.tokenizer_path);
  const auto rows = static_cast<std::size_t>(info.vocabulary);
  if (vocabulary.size() > rows) {
    throw Error(ErrorCode::kBadFile, "'" + request.tokenizer_path + "' has ids up to " +
                                         std::to_string(vocabulary.size() - 1) + ", the model '" + request.model_path +
                                         "' has " + std::to_string(rows) +
                                         " tokens: it is not this model's vocabulary");
  }
  if (embedded) refuse_other_vocabulary(vocabulary, *embedded, request);
  return vocabulary;
}

const Backend& backend_of(const ModelRequest& request, const ModelSource& source) {
  return choose_backend(request.backend, request.allows_stand_in, source, request.options);
}

namespace {

// That the options ask for; the first is where a model goes that does not ask.
Device device_of(const Backend& backend, const LoadOptions& options) {
  for (const Device& device : backend.devices()) {
    if (options.device.empty() || device.id == options.device) return device;
  }
  return {};
}

// `claim` is to be held until nothing more is taken for the model.
LoadedModel load_weights(const ModelRequest& request, std::optional<AddressClaim>& claim) {
  const ModelSource source(request.model_path);
  const Backend& backend = backend_of(request, source);
  LoadedModel loaded;
  const MemoryNeed need = backend.estimate(source, request.options);
  if (need.on_device > 0) check_device_memory(request.model_path, need, device_of(backend, request.options));
  loaded.memory = MemoryGrant(request.model_path, need, request.budget, inspect_machine());
  claim.emplace(request.model_path, need, inspect_machine, request.options.cancel);
  loaded.model = backend.load(source, request.options);
  return loaded;
}

// As far as states and token ids of the one mean the same to the other.
bool is_same_model(const ModelInfo& a, const ModelInfo& b) {
  return a.fingerprint == b.fingerprint && a.batch_sizes == b.batch_sizes;
}

}  // namespace

double GenerationResult::prefill_speed() const noexcept {
  return speed(static_cast<std::size_t>(std::max(prompt_tokens - cached_tokens, 0)), prefill_seconds);
}

double GenerationResult::decode_speed() const noexcept { return speed(tokens.size(), decode_seconds); }

LanguageModel::LanguageModel(const ModelRequest& request, LoadedModel loaded, Tokenizer tokenizer)
    : request_(request),
      info_(loaded.model->info()),
      state_form_(loaded.model->state_form()),
      need_(loaded.memory.need()),
      tokenizer_(std::move(tokenizer)),
      prompts_(tokenizer_, info_, source_of_vocabulary(request)),
      opening_(tokenizer_.vocabulary()),
      cache_(default_cache_bytes()),
      scheduler_(std::move(loaded), [this](const CancelToken& cancel) { return load_again(cancel); }, cache_, speeds_) {
  // Whoever asked for this load is not asked about the next one.
  request_.options.progress = nullptr;
  request_.options.cancel = CancelToken();
}

LanguageModel::~LanguageModel() = default;

std::unique_ptr<LanguageModel> LanguageModel::load(const ModelRequest& request) {
  try {
    std::optional<AddressClaim> claim;
    LoadedModel loaded = load_weights(request, claim);
    Vocabulary vocabulary = choose_vocabulary(request, loaded.model->info(), loaded.model->embedded_vocabulary());
    return std::unique_ptr<LanguageModel>(
        new LanguageModel(request, std::move(loaded), Tokenizer(std::move(vocabulary))));
  } catch (const std::bad_alloc&) {
    throw caught_error();
  } catch (const std::system_error&) {  // no thread could be started
    throw caught_error();
  }
}

// While the model is asleep, on a thread of the scheduler.
LoadedModel LanguageModel::load_again(const CancelToken& cancel) {
  ModelRequest request;
  scheduler_.evaluator().between_evaluations([&](const Model*) { request = request_; });
  request.options.cancel = cancel;
  std::optional<AddressClaim> claim;
  LoadedModel loaded = load_weights(request, claim);
  if (!is_same_model(info_, loaded.model->info())) {
    throw Error(ErrorCode::kBadFile,
                "'" + request.model_path + "' is another model than when it was loaded; release it and load it anew",
                request.model_path);
  }
  return loaded;
}

bool LanguageModel::sleep() {
  refuse_on_own_thread();
  return scheduler_.sleep();
}

LanguageModel::MemoryUse LanguageModel::memory_use() const {
  MemoryUse use;
  use.asleep = scheduler_.evaluator().asleep();
  if (!use.asleep) use.model = need_;
  use.cache = cache_.stats();
  return use;
}

Prompt LanguageModel::chat_prompt(const ChatFormat& format, std::span<const ChatMessage> messages,
                                  bool generation_prompt, bool reasoning) const {
  return prompts_.chat(format, messages, generation_prompt, reasoning);
}

Prompt LanguageModel::completion_prompt(std::string_view text) const { return prompts_.completion(text); }

void LanguageModel::submit(std::vector<GenerationTask> tasks, GenerationCallbacks callbacks, const CancelToken& cancel,
                           std::function<void(std::vector<GenerationResult>)> on_end) {
  scheduler_.submit(
      GenerationGroup::make(tokenizer_, opening_, std::move(tasks), std::move(callbacks), cancel, std::move(on_end)));
}

std::vector<GenerationResult> LanguageModel::generate(std::vector<GenerationTask> tasks,
                                                      const GenerationCallbacks& callbacks, const CancelToken& cancel) {
  refuse_on_own_thread();
  // Shared: the waiting thread may be gone before set_value() has returned.
  const auto ended = std::make_shared<std::promise<std::vector<GenerationResult>>>();
  submit(std::move(tasks), callbacks, cancel,
         [ended](std::vector<GenerationResult> results) { ended->set_value(std::move(results)); });
  return ended->get_future().get();
}

GenerationResult LanguageModel::generate(Prompt prompt, const GenerationOptions& options,
                                         const GenerationCallbacks& callbacks, const CancelToken& cancel) {
  std::vector<GenerationTask> tasks;
  tasks.push_back({std::move(prompt), options});
  return std::move(generate(std::move(tasks), callbacks, cancel).front());
}

void LanguageModel::encode_media(const Prompt& prompt, bool use_cache, const CancelToken& cancel,
                                 const Embeddings::Progress& progress) {
  auto known = static_cast<std::size_t>(prompt.start.position());
  if (use_cache && !prompt.media.empty()) {
    known = std::max(known, static_cast<std::size_t>(cache_.longest_prefix(prompt.tokens).position()));
  }
  std::vector<const MediaPlace*> missing;
  std::size_t rows = 0;
  for (const MediaPlace& place : prompt.media) {
    if (place.position + place.embeddings->rows() <= known || place.embeddings->encoded()) continue;
    missing.push_back(&place);
    rows += place.embeddings->rows();
  }
  if (missing.empty()) return;
  if (use_cache && missing.front()->position > known) {
    Prompt before = prompt;
    before.tokens.resize(missing.front()->position);
    std::erase_if(before.media, [&](const MediaPlace& place) { return place.position >= before.tokens.size(); });
    std::erase_if(before.turn_ends, [&](std::size_t end) { return end >= before.tokens.size(); });
    before.turn_ends.push_back(before.tokens.size());
    scheduler_.submit({std::make_shared<StateTask>(std::move(before), cancel)});
  }
  std::size_t done = 0;
  for (const MediaPlace* place : missing) {
    const std::size_t own = place->embeddings->rows();
    place->embeddings->encode(cancel, [&](float share) {
      progress((static_cast<float>(done) + share * static_cast<float>(own)) / static_cast<float>(rows));
    });
    done += own;
  }
  progress(1);
}

void LanguageModel::set_threads(int threads) {
  scheduler_.evaluator().between_evaluations([&](Model* model) {
    if (model == nullptr && threads < 1) {
      throw Error(ErrorCode::kInvalidArgument,
                  "the number of threads is " + std::to_string(threads) + ", not 1 or more");
    }
    if (model != nullptr) model->set_threads(threads);
    info_.threads = model != nullptr ? model->info().threads : threads;
    request_.options.threads = threads;
  });
}

void LanguageModel::refuse_on_own_thread() const {
  if (!scheduler_.on_its_thread()) return;
  throw Error(ErrorCode::kBusy, "a callback of this model cannot wait for the model; use submit() or another thread");
}

SequenceTask::Report LanguageModel::run(const std::shared_ptr<WaitedTask>& task) {
  refuse_on_own_thread();
  if (task->text().empty()) throw Error(ErrorCode::kInvalidArgument, "no tokens to evaluate; give at least one");
  scheduler_.submit({task});
  return task->wait();
}

std::vector<float> LanguageModel::logits(std::span<const TokenId> tokens, const CancelToken& cancel) {
  const auto task = std::make_shared<LogitsTask>(Tokens(tokens.begin(), tokens.end()), State(), cancel);
  run(task);
  return std::move(task->logits());
}

std::vector<float> LanguageModel::logits(std::span<const TokenId> tokens, State& state, const CancelToken& cancel) {
  if (!tokens.empty() && static_cast<std::size_t>(state.position()) < tokens.size() - 1) {
    state = run(std::make_shared<LiveStateTask>(Tokens(tokens.begin(), tokens.end() - 1), state, cancel)).state;
  }
  const auto task = std::make_shared<LogitsTask>(Tokens(tokens.begin(), tokens.end()), state, cancel);
  run(task);
  return std::move(task->logits());
}

std::vector<float> LanguageModel::logits_of_draft(std::string_view text, const CancelToken& cancel) {
  const Prompt whole = completion_prompt(text);
  const Tokens& all = whole.tokens;
  const auto begin = static_cast<std::size_t>(whole.start.position());
  const std::size_t known = std::max(begin, static_cast<std::size_t>(cache_.longest_prefix(all).position()));
  const auto state_after_first = [&](std::size_t count) {
    Prompt part = whole;
    part.tokens.resize(count);
    return state_after(part, cancel);
  };
  State state = whole.start;
  for (std::size_t rest = (all.size() - begin) / 2; rest > 0; rest /= 2) {
    const std::size_t end = all.size() - rest;
    if (end > known) state = state_after_first(end);
  }
  if (all.size() > begin + 1) state = state_after_first(all.size() - 1);
  return logits(all, state, cancel);
}

Score LanguageModel::score(std::string_view source, std::string_view target, const CancelToken& cancel) {
  Tokens context{kEndOfText};
  const Tokens source_tokens = tokenizer_.encode(source);
  context.insert(context.end(), source_tokens.begin(), source_tokens.end());
  Tokens wanted = tokenizer_.encode(target);
  if (wanted.empty()) throw Error(ErrorCode::kInvalidArgument, "there is nothing to score: the target text is empty");
  const auto task = std::make_shared<ScoreTask>(tokenizer_, context, std::move(wanted), cancel);
  run(task);
  return task->score();
}

State LanguageModel::state_after(const Prompt& prompt, const CancelToken& cancel) {
  Prompt read = prompt;
  read.turn_ends.push_back(prompt.tokens.size());  // longer texts are to begin there
  return run(std::make_shared<StateTask>(std::move(read), cancel)).state;
}

State LanguageModel::state_after(std::span<const TokenId> tokens, const CancelToken& cancel) {
  Prompt prompt;
  prompt.tokens.assign(tokens.begin(), tokens.end());
  return state_after(prompt, cancel);
}

void LanguageModel::remember(std::span<const TokenId> tokens, const State& state) {
  if (state.position() != static_cast<std::int64_t>(tokens.size())) {
    throw Error(ErrorCode::kInvalidArgument, "the state is that after " + std::to_string(state.position()) +
                                                 " tokens, not after " + std::to_string(tokens.size()));
  }
  // The model refuses what is not its own.
  Prompt known;
  known.tokens.assign(tokens.begin(), tokens.end());
  known.start = state;
  run(std::make_shared<StateTask>(std::move(known), CancelToken()));
  cache_.insert(tokens, state);
}

}  // namespace rwkv
