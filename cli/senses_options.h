// Encoders of the commands that show a model pictures or play it sound.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host/senses.h"
#include "options.h"

namespace rwkv::cli {

struct SensesOptions {
  std::vector<std::string> encoders;
  std::string adapter;

  /// The object must stay where it is while `app` parses.
  void add_to(CLI::App& app);
  /// Loads them, with a progress line on a terminal; Ctrl-C cancels. `budget` may be null. Throws what
  /// SharedMedia::load and Senses::attach throw.
  void attach_to(host::Senses& senses, const std::shared_ptr<MemoryBudget>& budget) const;
};

}  // namespace rwkv::cli
