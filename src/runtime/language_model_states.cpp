// States of a model that come from files and go there.
#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "base/mapped_file.h"
#include "formats/foreign_state.h"
#include "runtime/initial_state.h"
#include "runtime/language_model.h"

namespace rwkv {
namespace {

// Keys of initial states are filled up with token 0 to a multiple of this, so that what follows is cut as a text from
// its beginning is.
constexpr std::size_t kKeyGrid = 16;

[[noreturn]] void refuse(ErrorCode code, const std::string& path, const std::string& reason) {
  throw Error(code, "'" + path + "': " + reason, path);
}

// Two backends of that engine save states; one of them without anything around the numbers, in an order of its own.
State state_of_existing_engine(const OldStateFile& file, const StateForm& form, const ModelInfo& info) {
  if (file.state.size() == info.state_bytes) {
    throw Error(ErrorCode::kUnsupported, "the state was saved by web-rwkv; save the conversation again");
  }
  const StateTensors shape{static_cast<std::uint32_t>(info.layers),
                           static_cast<std::uint32_t>(info.width),
                           static_cast<std::uint32_t>(info.heads),
                           static_cast<std::uint32_t>(info.head_size),
                           {}};
  const ForeignState foreign = parse_foreign_state(file.state, file.tokens);
  return form.state_of(read_foreign_state(foreign.bytes, shape), static_cast<std::int64_t>(foreign.tokens));
}

}  // namespace

const StateForm& LanguageModel::state_form() const {
  if (state_form_) return *state_form_;
  throw Error(ErrorCode::kUnsupported, "the backend " + info_.backend +
                                           " keeps its states to itself, so that they cannot be saved or loaded; use "
                                           "another backend for this model");
}

void LanguageModel::save_state(const std::string& path, const Prompt& prompt, StateType type,
                               const CancelToken& cancel) {
  const StateForm& form = state_form();
  refuse_to_replace(path);
  StateFile file;
  file.type = type;
  file.fingerprint = info().fingerprint;
  file.backend = info().backend;
  file.tokens = prompt.tokens;
  file.tensors = form.tensors_of(state_after(prompt, cancel));
  cancel.check();
  write_state_file(path, file);
}

void LanguageModel::load_state(const std::string& path) {
  const StateForm& form = state_form();
  const MappedFile mapped(path);
  Tokens tokens;
  State state;
  if (looks_like_state_file(mapped.bytes())) {
    StateFile file = parse_state_file(mapped.bytes(), path);
    if (file.fingerprint != info().fingerprint) {
      refuse(ErrorCode::kInvalidArgument, path,
             "the state was saved with another model (by " + file.backend + "); it means nothing to this one");
    }
    tokens = std::move(file.tokens);
    state = form.state_of(file.tensors, static_cast<std::int64_t>(tokens.size()));
  } else {
    const OldStateFile file = parse_old_state_file(mapped.bytes(), path);
    tokens = file.tokens;
    try {
      state = state_of_existing_engine(file, form, info());
    } catch (const Error& error) {
      refuse(error.code(), path, error.what());
    }
    tokens.resize(static_cast<std::size_t>(state.position()));
  }
  // What stands for media was written by this program alone.
  const bool may_have_media = looks_like_state_file(mapped.bytes());
  const auto is_known = [&](TokenId token) { return is_media(token) ? may_have_media : token < info().vocabulary; };
  if (!std::all_of(tokens.begin(), tokens.end(), is_known)) {
    refuse(ErrorCode::kBadFile, path, "it has tokens that the model does not know");
  }
  if (tokens.empty()) return;  // the state before the first token, which needs no file
  remember(tokens, state);
}

void LanguageModel::set_state_folder(const std::string& folder, std::uint64_t limit_bytes) {
  cache_.set_disk(nullptr);
  if (folder.empty()) return;
  state_form();  // throws where there is none
  cache_.set_disk(std::make_shared<DiskCache>(info_, state_form_, folder, limit_bytes));
}

void LanguageModel::load_initial_state(const std::string& path) {
  if (prompts_.knows_initial_state(path)) return;
  const auto [tensors, flower] = read_initial_state(path, info());
  KnownInitialState initial;
  initial.tag = initial_state_tag(path);
  initial.flower = flower;
  // What was read after another file with this path, perhaps on disk, must not be taken for what follows this one.
  const std::uint64_t content = checksum(std::as_bytes(std::span(tensors.values)));
  tokenizer_.encode(initial.tag + std::to_string(content), initial.key);
  initial.key.resize((initial.key.size() / kKeyGrid + 1) * kKeyGrid, kEndOfText);
  initial.state = state_form().state_of(tensors, static_cast<std::int64_t>(initial.key.size()));
  cache_.pin(initial.key, initial.state);
  prompts_.add_initial_state(path, std::move(initial));
}

void LanguageModel::unload_initial_state(const std::string& path) {
  if (const auto key = prompts_.remove_initial_state(path)) cache_.erase(*key);
}

}  // namespace rwkv
