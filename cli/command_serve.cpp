// rwkv serve: the HTTP API.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>

#include "base/utf8_path.h"
#include "host/host.h"
#include "options.h"
#include "senses_options.h"
#include "server/http_server.h"
#include "terminal.h"
#include "text/utf8.h"

namespace rwkv::cli {
namespace {

struct ServeCommand {
  ModelOptions loading;
  SensesOptions senses;
  SamplingOptions sampling;
  server::ServerOptions options;
  std::vector<std::string> paths;
  std::vector<std::string> names;
  int sequences = kMostSequences;
  int max_tokens = kDefaultMaxTokens;
  int timeout = 30;
  bool separates_thoughts = false;
  std::uint64_t memory_budget = 0;
  std::string state_folder;
  std::uint64_t state_folder_bytes = static_cast<std::uint64_t>(host::kStateFolderBytes);
  const CLI::Option* key_option = nullptr;

  // Valid UTF-8, as whatever requests say is: file names need not be.
  std::string name_of(std::size_t index) const {
    return to_valid_utf8(index < names.size() ? names[index] : utf8_from_path(path_from_utf8(paths[index]).stem()));
  }

  std::shared_ptr<host::ModelHost> load(host::Host& host, const std::string& path) {
    loading.model = path;
    const auto model =
        std::make_shared<host::ModelHost>(host.with_host_options(loading.request(sequences)), host.media());
    {
      ProgressLine line;
      model->load(interrupt(), [&line](float part) { line.show_part("loading", part); });
    }
    if (!state_folder.empty()) model->model().set_state_folder(state_folder, state_folder_bytes);
    host.add(model);
    return model;
  }

  void run() {
    // As it comes from a variable of the shell that is not set: nobody means a server without a key by it.
    const char* const key = std::getenv("RWKV_API_KEY");
    if (options.api_key.empty() && (key_option->count() > 0 || (key && *key == '\0'))) {
      throw Error(ErrorCode::kInvalidArgument,
                  "the API key is empty; leave --api-key and RWKV_API_KEY out to serve without one");
    }
    GenerationOptions defaults;
    sampling.apply(defaults);
    defaults.max_tokens = max_tokens;
    host::Host host(host::Host::Ids::kNeverAgain);
    host.set_budget(memory_budget);
    std::vector<server::ServedModel> served;
    for (std::size_t i = 0; i < paths.size(); ++i) {
      const auto loaded = load(host, paths[i]);
      server::ServedModel& model = served.emplace_back();
      model.name = name_of(i);
      model.model = &loaded->model();
      senses.attach_to(loaded->senses(), host.budget());
      model.senses = &loaded->senses();
      model.defaults = defaults;
      model.separates_thoughts = separates_thoughts;
    }
    options.patience = std::chrono::seconds(timeout);
    server::HttpServer http(std::move(served), options);
    const bool is_ipv6 = options.host.find(':') != std::string::npos;
    std::printf(is_ipv6 ? "listening on http://[%s]:%d\n" : "listening on http://%s:%d\n", options.host.c_str(),
                http.port());
    flush_output();
    while (http.running() && !interrupt().cancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    http.stop();
    http.wait();
    if (!state_folder.empty()) {
      // What the next turns of the last conversations begin with is still being read, and then written.
      for (const auto& model : host.models()) model->model().wait_until_settled();
    }
    if (interrupt().cancelled()) {
      // SIGTERM is how service managers and containers end a service: it did as it was told.
      result_code() = terminated() ? kExitOk : kExitInterrupted;
    } else {
      throw Error(ErrorCode::kIo, "the server cannot listen any more");
    }
  }
};

}  // namespace

void add_serve(CLI::App& app) {
  auto command = std::make_shared<ServeCommand>();
  CLI::App* sub = app.add_subcommand("serve", "Serve models over HTTP to OpenAI clients, until Ctrl-C or SIGTERM");
  sub->add_option("-m,--model", command->paths, "Model file (GGUF); several may be given")
      ->required()
      ->envname("RWKV_MODEL");
  sub->add_option("--name", command->names,
                  "What requests call the model instead of its file's name; one for each model");
  command->loading.add_loading_to(*sub);
  command->senses.add_to(*sub);
  server::ServerOptions& options = command->options;
  sub->add_option("--host", options.host, "Address to listen on; 0.0.0.0 lets other machines in")
      ->capture_default_str();
  sub->add_option("--port", options.port, "Port (0: any free one)")->capture_default_str()->check(CLI::Range(0, 65535));
  command->key_option =
      sub->add_option("--api-key", options.api_key, "Wanted from every request as `Authorization: Bearer KEY`")
          ->envname("RWKV_API_KEY");
  sub->add_option(
         "--web-origin", options.web_origins,
         "Origin of web pages that may use the server, or * for all (none may else); may be given several times")
      ->allow_extra_args(false);
  sub->add_option("--allow-host", options.allowed_hosts,
                  "Name by which clients may reach the server besides this machine's own, or * for any; may be given "
                  "several times")
      ->allow_extra_args(false);
  sub->add_flag("--reasoning-content", command->separates_thoughts,
                "Send a chat's thoughts as `reasoning_content` instead of in <think> tags in `content`");
  sub->add_option("--connections", options.max_connections, "Requests that generate at once; others wait")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  sub->add_option("--timeout", command->timeout,
                  "Seconds in which a request has to come, and without reading after which a client is left")
      ->capture_default_str()
      ->check(CLI::Range(1, 86400));
  sub->add_option("--sequences", command->sequences, "Answers a model writes at once")
      ->capture_default_str()
      ->check(CLI::Range(1, kMostSequences));
  sub->add_option("-n,--max-tokens", command->max_tokens, "Longest answer in tokens where a request does not say")
      ->capture_default_str()
      ->check(at_least(1));
  sub->add_option(
         "--memory-budget", command->memory_budget,
         "What the models may take together, with what they remember, for example 2GB; a model that does not fit "
         "is refused (0: what the machine has)")
      ->transform(CLI::AsSizeValue(false));
  sub->add_option("--state-folder", command->state_folder,
                  "Folder in which conversations are remembered, beyond the server's end too");
  sub->add_option("--state-folder-size", command->state_folder_bytes, "What a model may take of it (1GB)")
      ->transform(CLI::AsSizeValue(false));
  command->sampling.add_to(*sub);
  sub->footer(
      "Example:\n  curl http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' \\\n"
      "    -d '{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"stream\": true}'");
  sub->callback([command] { command->run(); });
}

}  // namespace rwkv::cli
