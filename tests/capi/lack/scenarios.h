// A model is loaded, answers and is released: what a client sees when an allocation fails somewhere in it.
#pragma once

enum class Outcome {
  kAnswered,     // as if nothing had failed
  kError,        // a call or a message said that something went wrong
  kWrongAnswer,  // neither
};

/// Take no memory themselves where it counts.
Outcome through_c_abi(const char* model);
/// Three answers at once, the second the shortest.
Outcome through_c_abi_in_batch(const char* model);
/// The same with our own engine.
Outcome with_our_engine(const char* model);
Outcome through_bridge(const char* model);

/// What the two say is left, together.
long live_objects();
