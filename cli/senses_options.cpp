#include "senses_options.h"

#include "terminal.h"

namespace rwkv::cli {

void SensesOptions::add_to(CLI::App& app) {
  app.add_option("--encoder", encoders,
                 "Encoder of pictures or sound with its adapter (GGUF, or whisper.cpp's ggml); one of each kind may be "
                 "given")
      ->envname("RWKV_ENCODER")
      ->allow_extra_args(false);
  app.add_option("--adapter", adapter, "The adapter of the first encoder, where it has a file of its own");
}

void SensesOptions::attach_to(host::Senses& senses, const std::shared_ptr<MemoryBudget>& budget) const {
  for (std::size_t i = 0; i < encoders.size(); ++i) {
    ProgressLine line;
    line.show("loading " + encoders[i]);
    senses.attach(senses.media().load({encoders[i], i == 0 ? adapter : ""}, budget, interrupt()));
  }
}

}  // namespace rwkv::cli
