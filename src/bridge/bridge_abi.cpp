// include/rwkv_bridge.h on top of the directory of runtimes. Exceptions stop here.
#include <cstdlib>
#include <new>
#include <string>

#include "base/host_call.h"
#include "base/json_tree.h"
#include "base/log.h"
#include "bridge/callback_port.h"
#include "bridge/dart_port.h"
#include "bridge/directory.h"
#include "protocol/codec.h"
#include "rwkv_bridge.h"

namespace {

// What `function` returns, or the code for what it threw.
template <class Function>
auto guarded(const Function& function) noexcept -> decltype(function()) {
  try {
    return function();
  } catch (const rwkv::Error& error) {
    rwkv::log::error(error.what());
    switch (error.code()) {
      case rwkv::ErrorCode::kInvalidArgument: return RWKV_BRIDGE_BAD_ARGUMENT;
      case rwkv::ErrorCode::kBusy: return RWKV_BRIDGE_BUSY;
      default: return RWKV_BRIDGE_INTERNAL;
    }
  } catch (const std::bad_alloc&) {
    return RWKV_BRIDGE_NO_MEMORY;
  } catch (const std::exception& error) {
    rwkv::log::error(error.what());
    return RWKV_BRIDGE_INTERNAL;
  }
}

rwkv_bridge_port open(const char* name, const char* options, std::unique_ptr<rwkv::bridge::Port> port) {
  const rwkv::JsonTree json(rwkv::protocol::parse_message(options ? options : "{}"));
  const auto wanted = rwkv::protocol::decode_port_options(json.value);
  return rwkv::bridge::open_port(name ? name : "default", std::move(port), wanted);
}

}  // namespace

int32_t rwkv_bridge_abi_version(void) { return RWKV_BRIDGE_ABI_VERSION; }

const char* rwkv_bridge_version(void) { return RWKV_VERSION; }

rwkv_bridge_port rwkv_bridge_open(const char* name, const char* options, rwkv_bridge_on_message on_message,
                                  void* user_data) {
  if (on_message == nullptr) return RWKV_BRIDGE_BAD_ARGUMENT;
  return guarded([&]() -> rwkv_bridge_port {
    return open(name, options, std::make_unique<rwkv::bridge::CallbackPort>(on_message, user_data));
  });
}

rwkv_bridge_port rwkv_bridge_open_dart(const char* name, const char* options, int64_t native_port, void* post_cobject) {
  if (post_cobject == nullptr || native_port == 0) return RWKV_BRIDGE_BAD_ARGUMENT;
  return guarded([&]() -> rwkv_bridge_port {
    return open(name, options, std::make_unique<rwkv::bridge::DartPort>(native_port, post_cobject));
  });
}

int32_t rwkv_bridge_send(rwkv_bridge_port port, const char* json, size_t length) {
  if (json == nullptr || length > rwkv::protocol::kMaxMessageBytes) return RWKV_BRIDGE_BAD_ARGUMENT;
  return guarded([&]() -> int32_t {
    return rwkv::bridge::send(port, std::string(json, length)) ? 0 : static_cast<int32_t>(RWKV_BRIDGE_CLOSED);
  });
}

int32_t rwkv_bridge_close(rwkv_bridge_port port, int32_t wait) {
  if (wait != 0 && rwkv::HostCall::inside()) return RWKV_BRIDGE_BUSY;
  return guarded([&]() -> int32_t {
    return rwkv::bridge::close_port(port, wait != 0) ? 0 : static_cast<int32_t>(RWKV_BRIDGE_CLOSED);
  });
}

void* rwkv_bridge_alloc(size_t bytes) { return std::malloc(bytes > 0 ? bytes : 1); }

void rwkv_bridge_free(void* memory) { std::free(memory); }

int64_t rwkv_bridge_live_objects(void) {
  return guarded([]() -> int64_t { return rwkv::bridge::live_objects(); });
}
