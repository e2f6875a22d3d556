#include "bridge/bridged_run.h"

namespace rwkv::bridge {
BridgedRun::BridgedRun(Kind run_kind, const Origin& from, std::size_t slots)
    : Run(slots, run_kind == Kind::kPuzzle), kind(run_kind), origin(from), wants_flushes(run_kind == Kind::kPuzzle) {}

std::set<PortId> BridgedRun::listeners(std::int32_t slot) const {
  std::set<PortId> ports;
  for (const auto& [port, wanted] : subscriptions) {
    if (slot == kEverySlot || wanted == kEverySlot || wanted == slot) ports.insert(port);
  }
  return ports;
}

void BridgedRun::unsubscribe(PortId port) {
  std::erase_if(subscriptions, [port](const auto& subscription) { return subscription.first == port; });
}

protocol::GenerationEndReason to_protocol(EndReason reason) noexcept {
  switch (reason) {
    case EndReason::kEos: return protocol::GenerationEndReason::kEos;
    case EndReason::kStop: return protocol::GenerationEndReason::kStop;
    case EndReason::kLength: return protocol::GenerationEndReason::kLength;
    case EndReason::kCancelled: return protocol::GenerationEndReason::kCancelled;
    case EndReason::kError: return protocol::GenerationEndReason::kError;
  }
  return protocol::GenerationEndReason::kError;
}

protocol::GenerateStop generate_stop(const std::optional<Error>& error) {
  protocol::GenerateStop stop;
  if (error) {
    stop.error = error->what();
    stop.code = to_string(error->code());
  }
  return stop;
}

}  // namespace rwkv::bridge
