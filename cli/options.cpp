#include "options.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <limits>
#include <string_view>

#include "terminal.h"

namespace rwkv::cli {

int exit_code(const Error& error) noexcept {
  switch (error.code()) {
    case ErrorCode::kNotFound:
    case ErrorCode::kIo:
    case ErrorCode::kBadFile: return kExitBadFile;
    case ErrorCode::kInvalidArgument: return kExitUsage;
    case ErrorCode::kCancelled: return kExitInterrupted;
    // Where no file is to blame, this build or machine is.
    case ErrorCode::kUnsupported: return error.file().empty() ? kExitFailure : kExitBadFile;
    default: return kExitFailure;
  }
}

int& result_code() {
  static int code = kExitOk;
  return code;
}

std::string megabytes(std::uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

void print_json(const Json& json) {
  const std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::printf("%s\n", line.c_str());
  flush_output();
}

CLI::Range at_least(int least) {
  return CLI::Range(least, std::numeric_limits<int>::max(), least > 0 ? "POSITIVE" : "NONNEGATIVE");
}

Tokens parse_tokens(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const auto token = [](std::string_view word) {
    TokenId id = 0;
    const auto [rest, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error == std::errc() && rest == word.data() + word.size()) return id;
    throw Error(ErrorCode::kInvalidArgument, "'" + std::string(word) + "' is not a token id; give some as in 34,105");
  };
  Tokens tokens;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string_view field = text.substr(begin, end - begin);
    do {
      field.remove_prefix(std::min(field.find_first_not_of(kBlank), field.size()));
      const std::size_t length = std::min(field.find_first_of(kBlank), field.size());
      tokens.push_back(token(field.substr(0, length)));
      field.remove_prefix(length);
    } while (field.find_first_not_of(kBlank) != std::string_view::npos);
    begin = end + 1;
  }
  return tokens;
}

const char* const kTextRule = "; - is all of standard input, and \\n stays two characters (the shell writes $'a\\nb')";

std::string given_text(const std::string& argument) { return argument == "-" ? read_all() : argument; }

void ModelOptions::add_to(CLI::App& app) {
  app.add_option("-m,--model", model, "Model file (GGUF)")->required()->envname("RWKV_MODEL");
  add_loading_to(app);
}

void ModelOptions::add_loading_to(CLI::App& app) {
  app.add_option("--backend", backend, "Backend to use; auto: the one that suits file, device and settings best")
      ->check([](const std::string& name) -> std::string {
        try {
          if (names_backend(name)) backend_by_name(name);
          return "";
        } catch (const Error& error) {
          return error.what();
        }
      });
  app.add_option("--vocab", vocabulary, "World vocabulary file to use instead of the model's own token list");
  app.add_option("-t,--threads", threads,
                 "Threads, 1 to 64 or to what a larger machine has (0: chosen from the machine)")
      ->check(at_least(0));
  app.add_option("--gpu-layers", gpu_layers, "Layers on the GPU (-1: the backend's default)")
      ->check(CLI::Range(-1, 100000));
  app.add_option("--device", device, "Device of the backend to run on, as `rwkv backends` lists them");
  app.add_option_function<std::vector<std::string>>(
         "--set",
         [this](const std::vector<std::string>& given) {
           for (const std::string& one : given) {
             const std::size_t equals = one.find('=');
             if (equals == 0 || equals == std::string::npos) {
               throw CLI::ValidationError("--set", "'" + one + "' is not KEY=VALUE");
             }
             settings[one.substr(0, equals)] = one.substr(equals + 1);
           }
         },
         "A setting of the backend, as `rwkv backends` lists them; may be given several times")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

ModelRequest ModelOptions::request(int max_sequences) const {
  ModelRequest request;
  request.model_path = model;
  request.backend = backend;
  request.tokenizer_path = vocabulary;
  request.options.threads = threads;
  request.options.gpu_layers = gpu_layers;
  request.options.device = device;
  request.options.settings = settings;
  request.options.max_sequences = max_sequences;
  return request;
}

std::unique_ptr<LanguageModel> ModelOptions::load(int max_sequences) const {
  ModelRequest wanted = request(max_sequences);
  wanted.options.cancel = interrupt();
  ProgressLine line;
  wanted.options.progress = [&line](float part) { line.show_part("loading", part); };
  return LanguageModel::load(wanted);
}

void SamplingOptions::add_to(CLI::App& app) {
  app.add_option("--temp", sampler.temperature, "Temperature, 0.1 to 5")->capture_default_str();
  app.add_option("--top-k", sampler.top_k, "Choose among the k most likely tokens (0: all)")->capture_default_str();
  app.add_option("--top-p", sampler.top_p, "Choose among the most likely tokens of this total probability")
      ->capture_default_str();
  app.add_option("--presence", penalties.presence, "Penalty for tokens that occurred")->capture_default_str();
  app.add_option("--frequency", penalties.frequency, "Penalty for each time a token occurred")->capture_default_str();
  app.add_option("--decay", penalties.decay, "How fast occurrences are forgotten, a factor a token")
      ->capture_default_str();
  app.add_option_function<std::string>(
         "--seed",
         [this](const std::string& text) {
           std::uint64_t number = 0;
           const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
           if (error != std::errc() || rest != text.data() + text.size()) {
             throw CLI::ValidationError("--seed", "'" + text + "' is not a number from 0 to 18446744073709551615");
           }
           seed = number;
         },
         "The same seed gives the same text")
      ->type_name("UINT");
  app.add_flag("--greedy", greedy, "Always the most likely token, no penalties");
}

void SamplingOptions::apply(GenerationOptions& options) const {
  validate(sampler);
  validate(penalties);
  options.sampler = sampler;
  options.penalties = penalties;
  if (greedy) {
    options.sampler.top_k = 1;
    options.penalties = {0, 0, 0};
  }
  if (seed) options.seed = seed;
}

}  // namespace rwkv::cli
