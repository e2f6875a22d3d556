// rwkv pull: a model file from the network.
#include <cstdio>
#include <memory>

#include "fetch/catalogue.h"
#include "fetch/request.h"
#include "options.h"
#include "terminal.h"

namespace rwkv::cli {
namespace {

struct PullCommand {
  std::string what;
  std::string output;
  std::string sha256;
  int patience = 30;
  bool list = false;
  bool json = false;

  void run() const {
    if (list) return print_catalogue();
    if (what.empty())
      throw Error(ErrorCode::kInvalidArgument, "name a model or an address: rwkv pull NAME|URL, or rwkv pull --list");
    pull(fetch::request_for(what, output, sha256));
  }

  void pull(fetch::DownloadRequest request) const {
    request.patience = std::chrono::seconds(patience);
    ProgressLine line;
    const auto started = std::chrono::steady_clock::now();
    std::uint64_t first = UINT64_MAX;
    const auto show = [&](std::uint64_t done, std::uint64_t total) {
      if (first == UINT64_MAX) first = done;
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
      const auto rate = static_cast<std::uint64_t>(static_cast<double>(done - first) / std::max(seconds.count(), 0.1));
      std::string text = megabytes(done);
      if (total > 0) text += " of " + megabytes(total) + ", " + std::to_string(done * 100 / total) + " %";
      line.show(text + ", " + megabytes(rate) + "/s");
    };
    fetch::DownloadResult result;
    try {
      result = fetch::download(request, show, interrupt());
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kCancelled) throw;
      throw Error(ErrorCode::kCancelled, "interrupted; what came so far is kept, run it again to go on");
    }
    line.clear();
    if (json) {
      return print_json({{"path", request.path},
                         {"bytes", result.bytes},
                         {"resumedFrom", result.resumed_from},
                         {"sha256", result.sha256},
                         {"verified", result.verified}});
    }
    std::printf("%s: %s, SHA-256 %s%s\n", request.path.c_str(), megabytes(result.bytes).c_str(), result.sha256.c_str(),
                result.verified ? "" : " (nothing to compare it with)");
  }

  void print_catalogue() const {
    Json entries = Json::array();
    for (const fetch::CatalogueEntry& entry : fetch::catalogue()) {
      if (json) {
        entries.push_back({{"name", entry.name}, {"url", entry.url}, {"sha256", entry.sha256}, {"about", entry.about}});
      } else {
        std::printf("%-24s %s\n%-24s %s\n", entry.name.data(), entry.about.data(), "",
                    fetch::at_mirror(entry.url).c_str());
      }
    }
    if (json) print_json(entries);
  }
};

}  // namespace

void add_pull(CLI::App& app) {
  auto command = std::make_shared<PullCommand>();
  CLI::App* sub = app.add_subcommand("pull", "Download a model file, going on where an earlier run ended");
  sub->add_option("model", command->what, "A name that --list shows, or the https address of a file");
  sub->add_option("-o,--output", command->output, "File or folder to write to; default: the file's own name, here");
  sub->add_option("--sha256", command->sha256, "What the file must be; thrown away if it is not");
  sub->add_option("--patience", command->patience, "Seconds without a byte before the connection is given up")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  sub->add_flag("--list", command->list, "Show the models that have names");
  sub->add_flag("--json", command->json, "Print a line of JSON");
  sub->footer(
      "A mirror of huggingface.co is taken from HF_ENDPOINT, a proxy from https_proxy, the token for gated files from "
      "HF_TOKEN or the file of `hf auth login`. It goes to these hubs alone, HF_TOKEN also to a server at this "
      "machine.");
  sub->callback([command] { command->run(); });
}

}  // namespace rwkv::cli
