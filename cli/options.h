// Options that several commands share, and how commands report.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/language_model.h"

namespace rwkv::cli {

/// Exit codes of the program; part of its interface.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,
  kExitUsage = 2,
  kExitBadFile = 3,
  kExitInterrupted = 130,
};

/// The exit code that an error leads to.
int exit_code(const Error& error) noexcept;

using Json = nlohmann::ordered_json;

/// "12.34 MB"
std::string megabytes(std::uint64_t bytes);

/// Prints one line of JSON and sends it out; invalid UTF-8 in strings is replaced. Throws like flush_output().
void print_json(const Json& json);

/// A check for counts: `least` or more, as far as an int goes.
CLI::Range at_least(int least);

/// Token ids separated by commas or, as `rwkv tokenize` prints them, by blanks. Throws Error(kInvalidArgument) naming
/// what is none, an empty one too.
Tokens parse_tokens(std::string_view text);

/// What `-p` gives: "-" stands for all of standard input. Throws like read_all().
std::string given_text(const std::string& argument);
/// For the help of such options.
extern const char* const kTextRule;

struct ModelOptions {
  std::string model;
  std::string backend;
  std::string vocabulary;
  int threads = 0;
  int gpu_layers = -1;
  std::string device;
  std::map<std::string, std::string> settings;

  void add_to(CLI::App& app);
  /// The same without --model.
  void add_loading_to(CLI::App& app);
  /// What to load, without progress and cancel.
  ModelRequest request(int max_sequences) const;
  /// Loads with a progress line on a terminal; Ctrl-C cancels.
  std::unique_ptr<LanguageModel> load(int max_sequences = 1) const;
};

struct SamplingOptions {
  SamplerParams sampler;
  PenaltyParams penalties;
  std::optional<std::uint64_t> seed;
  bool greedy = false;

  /// The object must stay where it is while `app` parses.
  void add_to(CLI::App& app);
  void apply(GenerationOptions& options) const;
};

/// Each adds its command to `app`; the callbacks throw rwkv::Error and set the exit code through the returned
/// reference.
void add_info(CLI::App& app);
void add_chat(CLI::App& app);
void add_listen(CLI::App& app);
void add_generate(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_logits(CLI::App& app);
void add_bench(CLI::App& app);
void add_backends(CLI::App& app);
void add_eval(CLI::App& app);
void add_bridge(CLI::App& app);
void add_pull(CLI::App& app);
void add_serve(CLI::App& app);
void add_convert(CLI::App& app);

/// What the program returns when a command ends without an error. Default kExitOk.
int& result_code();

}  // namespace rwkv::cli
