// The runtimes and ports of this process.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "bridge/client.h"

namespace rwkv::bridge {

/// Opens `port` on the runtime `name`, which is made if there is none. From any thread.
PortId open_port(const std::string& name, std::unique_ptr<Port> port, const protocol::PortOptions& options);

/// False: no such port. Throws Error(kBusy) when too much of the port waits.
bool send(PortId id, std::string json);

/// Closes a port and drops what it has sent and nobody has begun to serve: who wants the answers waits for them first.
/// The runtime ends with its last one, unless that one was found dead. With `wait` returns when it has ended. False: no
/// such port.
bool close_port(PortId id, bool wait);

/// A port was found dead: it is forgotten, its runtime lives on. Called by the runtime.
void forget_dead_port(PortId id);

/// Calls `then` on the runtime's thread as soon as what the port has sent is served and nothing is loading, generating
/// or saved. False: no such port. Throws as send() does.
bool when_idle(PortId id, std::function<void()> then);

/// Runtimes, open ports and models.
std::int64_t live_objects();

}  // namespace rwkv::bridge
