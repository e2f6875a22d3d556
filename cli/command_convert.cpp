// rwkv convert: a checkpoint to a file that engines run.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "convert/convert.h"
#include "options.h"
#include "terminal.h"

namespace rwkv::cli {
namespace {

struct ConvertCommand {
  convert::GgufRequest request;
  convert::EncoderRequest encoder;  // what it has beside the other
  std::string kind = "model";
  std::string picture;
  std::string type = "f16";
  CLI::Option* type_option = nullptr;
  std::vector<CLI::Option*> encoder_options;
  bool json = false;

  void run() {
    ProgressLine line;
    request.options.cancel = interrupt();
    request.options.progress = [&line](float part) {
      line.show("converting " + std::to_string(static_cast<int>(part * 100)) + " %");
    };
    std::string ending = request.output.substr(request.output.find_last_of('.') + 1);
    std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
    const bool safetensors = ending == "safetensors" || ending == "st";
    request.format = *convert::weight_format_named(type);
    if (kind != "model") {
      if (safetensors || !request.vocabulary.empty()) {
        throw Error(ErrorCode::kInvalidArgument, "an encoder becomes a GGUF file and has no vocabulary");
      }
      const convert::Report report = convert::convert_encoder(encoder_request());
      line.clear();
      print(report);
      return;
    }
    for (const CLI::Option* option : encoder_options) {
      if (option->count() > 0) {
        throw Error(ErrorCode::kInvalidArgument, option->get_name() + " is for encoders (--kind vision or audio)");
      }
    }
    if (safetensors && (type_option->count() > 0 || !request.vocabulary.empty())) {
      throw Error(ErrorCode::kInvalidArgument,
                  "a safetensors file has halves and no vocabulary: leave out --type and --vocab");
    }
    const convert::Report report =
        safetensors ? convert::convert_to_safetensors(request.source, request.output, request.options)
                    : convert::convert_to_gguf(request);
    line.clear();
    print(report);
  }

  convert::EncoderRequest encoder_request() const {
    convert::EncoderRequest wanted = encoder;
    wanted.kind = kind == "vision" ? convert::EncoderKind::kVision : convert::EncoderKind::kAudio;
    wanted.source = request.source;
    wanted.output = request.output;
    wanted.name = request.name;
    wanted.format = request.format;
    wanted.options = request.options;
    if (!picture.empty()) wanted.wishes.tiles = picture == "tiles";
    return wanted;
  }

  void print(const convert::Report& report) const {
    if (json) {
      print_json({{"output", request.output},
                  {"architecture", report.architecture},
                  {"tensors", report.tensors},
                  {"parameters", report.parameters},
                  {"sourceBytes", report.source_bytes},
                  {"outputBytes", report.output_bytes}});
      return;
    }
    std::printf("%s: %llu tensors, %.2f million parameters, %.2f MB\n", request.output.c_str(),
                static_cast<unsigned long long>(report.tensors), static_cast<double>(report.parameters) / 1e6,
                static_cast<double>(report.output_bytes) / 1e6);
  }
};

}  // namespace

void add_convert(CLI::App& app) {
  auto command = std::make_shared<ConvertCommand>();
  CLI::App* sub = app.add_subcommand("convert", "Turn a checkpoint into GGUF or safetensors");
  sub->add_option("source", command->request.source,
                  "RWKV-6 or RWKV-7: .pth, .safetensors, .prefab, or a folder (Hugging Face, MLX)")
      ->required();
  sub->add_option("output", command->request.output, "File to write: .gguf, or .safetensors or .st")->required();
  const CLI::Validator known(
      [](const std::string& name) {
        return convert::weight_format_named(name) ? "" : "f32, f16, bf16, q8_0, q4_0, q4_k or q5_k";
      },
      "f32|f16|bf16|q8_0|q4_0|q4_k|q5_k");
  command->type_option =
      sub->add_option("--type", command->type, "Type of the large matrices")->check(known)->capture_default_str();
  sub->add_option("--vocab", command->request.vocabulary,
                  "World vocabulary file; needed for GGUF unless the folder has one");
  sub->add_option("--name", command->request.name, "Name of the model in the file (default: the source's file name)");
  sub->add_option("-t,--threads", command->request.options.threads, "Threads (0: chosen from the machine)")
      ->check(CLI::Range(0, 1024));
  sub->add_option(
         "--kind", command->kind,
         "What to convert: the language model, or the encoder of pictures (SigLIP) or sound (Whisper) with its "
         "adapter")
      ->check(CLI::IsMember({"model", "vision", "audio"}))
      ->capture_default_str();
  auto& wishes = command->encoder.wishes;
  command->encoder_options = {
      sub->add_option("--adapter", command->encoder.adapter,
                      "Checkpoint with the encoder's adapter, where the source has none"),
      sub->add_option("--heads", wishes.heads, "Heads of the encoder (default: of its config.json, or of its kind)"),
      sub->add_option("--stride", wishes.stride, "Stride of the adapter's convolution (default: as published)"),
      sub->add_option("--padding", wishes.padding, "Padding of that of an adapter for sound (default: 2)"),
      sub->add_option("--picture", command->picture,
                      "How pictures are seen: in tiles, or as one square (default: as the adapter was trained)")
          ->check(CLI::IsMember({"tiles", "square"}))};
  sub->add_flag("--json", command->json, "Print a line of JSON");
  sub->callback([command] { command->run(); });
}

}  // namespace rwkv::cli
