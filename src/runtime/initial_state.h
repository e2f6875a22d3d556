// Tuned initial states: what a model remembers before the first token, learnt instead of read.
#pragma once

#include <string>

#include "engine/model.h"

namespace rwkv {

struct InitialState {
  StateTensors tensors;
  bool flower = false;  // it was tuned on chats in flower form (ChatFormat::flower)
};

/// The state in a file of state tuning: a PyTorch checkpoint with `blocks.N.att.time_state` (F32, F16 or BF16) for each
/// layer, or an .rmpack container with a blob of F16 for each, whose `flower_template` says the form of chats. Token
/// shifts are zero. Throws Error(kNotFound, kIo) and, for a file that is neither or not for a model of this shape,
/// Error(kBadFile).
InitialState read_initial_state(const std::string& path, const ModelInfo& model);

/// What a prompt begins with to be read from that state on.
std::string initial_state_tag(const std::string& path);

}  // namespace rwkv
