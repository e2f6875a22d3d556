// rwkv info: what a model file is and whether it is sound.
#include <cstdio>
#include <memory>

#include "engine/backend.h"
#include "media/encoders/open_encoder.h"
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

void print_encoder(const EncoderFiles& files, bool json) {
  const auto [info, memory] = describe_encoder(files, {});
  const bool picture = info.takes == EncoderInfo::Takes::kPicture;
  if (json) {
    print_json({{"name", info.name},
                {"architecture", info.architecture},
                {"encodes", picture ? "picture" : "sound"},
                {"adapter", info.adapter},
                {"weightType", info.weight_type},
                {"layers", info.layers},
                {"width", info.width},
                {"heads", info.heads},
                {"modelWidth", info.row_width},
                {"parameters", info.parameters},
                {"fileBytes", info.file_bytes},
                {"mappedBytes", memory.mapped},
                {"privateBytes", memory.owned},
                {"checked", "header"}});
    return;
  }
  std::printf("name          %s\narchitecture  %s, an encoder of %s: %d layers, width %d, %d heads\n",
              printable(info.name).c_str(), info.architecture.c_str(), picture ? "pictures" : "sound", info.layers,
              info.width, info.heads);
  std::printf("adapter       %s, for models of width %d\nparameters    %.2f million, mostly %s\n", info.adapter.c_str(),
              info.row_width, static_cast<double>(info.parameters) / 1e6, info.weight_type.c_str());
  std::printf("file          %s\nmemory        %s of weights, mapped; %s to encode in\nchecked       the header\n",
              megabytes(info.file_bytes).c_str(), megabytes(memory.mapped).c_str(), megabytes(memory.owned).c_str());
}

void run(const ModelOptions& options, const std::string& adapter, bool whole, bool json) {
  const ModelSource source(options.model);
  if (is_encoder(source)) return print_encoder({options.model, adapter}, json);
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
  auto adapter = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand("info", "Check a model's or an encoder's file and say what it is");
  options->add_to(*sub);
  sub->get_option("--model")->required(false);
  sub->add_option("file", options->model, "Model file, the same as -m");
  sub->add_option("--adapter", *adapter, "Adapter of an encoder that lies in a file of its own");
  auto whole = std::make_shared<bool>(false);
  sub->add_flag("--check", *whole, "Load the whole model as well; otherwise its header is read alone");
  sub->add_flag("--json", *json, "Print a line of JSON");
  sub->callback([options, adapter, whole, json] {
    if (options->model.empty()) throw Error(ErrorCode::kInvalidArgument, "name a model file: rwkv info MODEL");
    run(*options, *adapter, *whole, *json);
  });
}

}  // namespace rwkv::cli
