// rwkv info: what a model file is and whether it is sound.
#include <cstdio>
#include <memory>

#include "options.h"

namespace rwkv::cli {
namespace {

void run(const ModelOptions& options, bool json) {
  const std::unique_ptr<LanguageModel> model = options.load();
  const ModelInfo& info = model->info();
  const MemoryNeed& need = model->memory_need();
  if (json) {
    print_json({{"name", info.name},
                {"architecture", info.architecture},
                {"backend", info.backend},
                {"weightType", info.weight_type},
                {"layers", info.layers},
                {"width", info.width},
                {"heads", info.heads},
                {"headSize", info.head_size},
                {"vocabulary", info.vocabulary},
                {"parameters", info.parameters},
                {"fileBytes", info.file_bytes},
                {"stateBytes", info.state_bytes},
                {"mappedBytes", need.mapped},
                {"privateBytes", need.owned},
                {"batchSizes", info.batch_sizes},
                {"threads", info.threads}});
    return;
  }
  std::printf("name          %s\narchitecture  %s, %d layers, width %d, %d heads of %d\n", info.name.c_str(),
              info.architecture.c_str(), info.layers, info.width, info.heads, info.head_size);
  std::printf("vocabulary    %d tokens\nparameters    %.2f million, mostly %s\n", info.vocabulary,
              static_cast<double>(info.parameters) / 1e6, info.weight_type.c_str());
  std::printf("file          %s\nstate         %s a sequence, whatever the length of the text\n",
              megabytes(info.file_bytes).c_str(), megabytes(info.state_bytes).c_str());
  std::printf("memory        %s of weights, mapped; %s for states and buffers\n", megabytes(need.mapped).c_str(),
              megabytes(need.owned).c_str());
  std::printf("runs on       %s, %d threads, up to %d sequences at once\n", info.backend.c_str(), info.threads,
              info.batch_sizes.empty() ? 1 : info.batch_sizes.back());
}

}  // namespace

void add_info(CLI::App& app) {
  auto options = std::make_shared<ModelOptions>();
  auto json = std::make_shared<bool>(false);
  CLI::App* sub = app.add_subcommand("info", "Check a model file and say what it is");
  options->add_to(*sub);
  sub->get_option("--model")->required(false);
  sub->add_option("file", options->model, "Model file, the same as -m");
  sub->add_flag("--json", *json, "Print a line of JSON");
  sub->callback([options, json] {
    if (options->model.empty()) throw Error(ErrorCode::kInvalidArgument, "name a model file: rwkv info MODEL");
    run(*options, *json);
  });
}

}  // namespace rwkv::cli
