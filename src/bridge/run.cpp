#include "bridge/run.h"

namespace rwkv::bridge {
namespace {

std::atomic<std::int64_t> next_id{1};

}  // namespace

Run::Run(Kind run_kind, const Origin& from, std::size_t slots)
    : kind(run_kind),
      origin(from),
      id(next_id.fetch_add(1, std::memory_order_relaxed)),
      stream(slots, run_kind == Kind::kPuzzle),
      wants_flushes(run_kind == Kind::kPuzzle) {}

std::set<PortId> Run::listeners(std::int32_t slot) const {
  std::set<PortId> ports;
  for (const auto& [port, wanted] : subscriptions) {
    if (slot == kEverySlot || wanted == kEverySlot || wanted == slot) ports.insert(port);
  }
  return ports;
}

void Run::unsubscribe(PortId port) {
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
