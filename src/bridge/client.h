// A client of the runtime: its port and what it asked for when it opened it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "bridge/port.h"
#include "protocol/values.h"

namespace rwkv::bridge {

using PortId = std::int64_t;

struct Client {
  PortId id = 0;
  std::unique_ptr<Port> port;
  protocol::PortOptions options;
};

/// Which request something belongs to.
struct Origin {
  PortId port = 0;
  std::optional<std::int64_t> request_id;
  /// The load that the request's model must come from, where it names one.
  std::optional<std::int64_t> load_id = {};
};

}  // namespace rwkv::bridge
