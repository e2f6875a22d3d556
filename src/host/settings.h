// The settings of a model, which a client can change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/token.h"
#include "runtime/chat_template.h"
#include "runtime/generation.h"
#include "runtime/media.h"
#include "runtime/penalties.h"
#include "runtime/sampler.h"

namespace rwkv::host {

/// The largest number of answers in one generation.
inline constexpr std::size_t kMostSlots = 4096;

/// Sampler and penalties of every slot.
class SlotSettings {
 public:
  struct Values {
    SamplerParams sampler;
    PenaltyParams penalties;
  };

  const Values& slot(std::size_t i) const { return i < own_.size() ? own_[i] : common_; }
  void set_all(const Values& values) {
    common_ = values;
    own_.clear();
  }
  /// Replaces each slot's values by what `changed` returns for them; where that throws, none.
  void change(const std::function<Values(const Values&)>& changed) {
    const Values common = changed(common_);
    std::vector<Values> own;
    own.reserve(own_.size());
    for (const Values& values : own_) own.push_back(changed(values));
    common_ = common;
    own_ = std::move(own);
  }
  /// Slots from own.size() on keep the common values.
  void set_each(std::vector<Values> own) { own_ = std::move(own); }

 private:
  Values common_;
  std::vector<Values> own_;
};

/// The seed of answer `index` of a generation with this seed: they all differ, and the first is `seed` itself.
std::uint64_t seed_of_answer(std::uint64_t seed, std::size_t index) noexcept;

/// Seeds of runs: after set() the same runs get the same seeds again, whatever ran before.
class SeedSource {
 public:
  SeedSource();  // a random seed
  void set(std::int64_t seed) {
    seed_ = seed;
    runs_ = 0;
  }
  std::int64_t seed() const noexcept { return seed_; }
  /// Seeds for the slots of a new run, all different.
  std::vector<std::uint64_t> next_run(std::size_t slots);

 private:
  std::int64_t seed_;
  std::uint64_t runs_ = 0;
};

struct ModelSettings {
  ChatFormat format;
  /// The recording that format.prompt names; null where that is a text.
  std::shared_ptr<const Embeddings> audio_prompt;
  SlotSettings slots;
  SeedSource seeds;
  Tokens banned;
  int max_length = kDefaultMaxTokens;  // of runs whose request sets none
  TokenId stop_token = kEndOfText;     // of completions whose request sets none

  /// The format of a run that begins now: with the recording in the place of its name.
  ChatFormat chat_format() const;
};

}  // namespace rwkv::host
