// rwkv info: what a model file is and whether it is sound.
#include <cstdio>
#include <memory>

#include "engine/backend.h"
#include "options.h"
#include "runtime/model_description.h"
#include "terminal.h"

namespace rwkv::cli {
namespace {

// Where they do not fit into memory all at once, with one.
std::unique_ptr<LanguageModel> load_with_all_sequences(const ModelOptions& options) {
  try {
    return options.load(kMostSequences);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kOutOfMemory) throw;
    return options.load(1);
  }
}

void run(const ModelOptions& options, bool whole, bool json) {
  const ModelSource source(options.model);
  const ModelInfo info =
      whole ? load_with_all_sequences(options)->info() : describe_model(options.request(kMostSequences), source).info;
  const auto need_of = [&](int sequences) {
    return backend_by_name(info.backend).estimate(source, options.request(sequences).options);
  };
  const MemoryNeed need = need_of(1);
  const std::uint64_t growth = (need_of(kMostSequences).owned - need.owned) / (kMostSequences - 1);
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
                {"privateBytesPerFurtherSequence", growth},
                {"deviceBytes", need.on_device},
                {"device", info.device.id},
                {"batchSizes", info.batch_sizes},
                {"threads", info.threads},
                {"checked", whole ? "whole" : "header"}});
    return;
  }
  std::printf("name          %s\narchitecture  %s, %d layers, width %d, %d heads of %d\n", printable(info.name).c_str(),
              info.architecture.c_str(), info.layers, info.width, info.heads, info.head_size);
  std::printf("vocabulary    %d tokens\nparameters    %.2f million, mostly %s\n", info.vocabulary,
              static_cast<double>(info.parameters) / 1e6, info.weight_type.c_str());
  std::printf("file          %s\nstate         %s a sequence, whatever the length of the text\n",
              megabytes(info.file_bytes).c_str(), megabytes(info.state_bytes).c_str());
  std::printf(
      "memory        %s of weights, mapped; %s for state and buffers of one sequence, %s for each further one\n",
      megabytes(need.mapped).c_str(), megabytes(need.owned).c_str(), megabytes(growth).c_str());
  if (need.on_device > 0) std::printf("              %s on the device\n", megabytes(need.on_device).c_str());
  std::printf("runs on       %s (%s), %d threads, up to %d sequences at once\n", info.backend.c_str(),
              info.device.id.c_str(), info.threads, info.batch_sizes.empty() ? 1 : info.batch_sizes.back());
  std::printf("checked       %s\n", whole ? "all of it, by loading it" : "the header; --check loads the whole file");
}

}  // namespace

void add_info(CLI::App& app) {
  auto options = std::make_shared<ModelOptions>();
  auto json = std::make_shared<bool>(false);
  CLI::App* sub = app.add_subcommand("info", "Check a model file and say what it is");
  options->add_to(*sub);
  sub->get_option("--model")->required(false);
  sub->add_option("file", options->model, "Model file, the same as -m");
  auto whole = std::make_shared<bool>(false);
  sub->add_flag("--check", *whole, "Load the whole model as well; otherwise its header is read alone");
  sub->add_flag("--json", *json, "Print a line of JSON");
  sub->callback([options, whole, json] {
    if (options->model.empty()) throw Error(ErrorCode::kInvalidArgument, "name a model file: rwkv info MODEL");
    run(*options, *whole, *json);
  });
}

}  // namespace rwkv::cli
