#include "bridge/dart_port.h"

#include <atomic>
#include <memory>
#include <utility>

namespace rwkv::bridge {
namespace {

// The layout of the VM's Dart_CObject, of which only external typed data is used here. The VM keeps it stable: it is
// what every native extension is compiled against.
enum CObjectType : std::int32_t { kExternalTypedData = 8 };
enum TypedDataType : std::int32_t { kUint8 = 2 };

struct CObject {
  std::int32_t type;
  union {
    std::int64_t as_int64;
    double as_double;
    struct {
      std::int32_t type;
      std::intptr_t length;  // elements
      std::uint8_t* data;
      void* peer;
      void (*finalizer)(void* isolate_callback_data, void* peer);
    } as_external_typed_data;
    // The largest member of the VM's union is no larger than this one.
  } value;
};

using PostCObject = bool (*)(std::int64_t port, CObject* message);

std::atomic<std::int64_t> live{0};

void free_message(void*, void* peer) {
  delete static_cast<std::string*>(peer);
  live.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace

DartPort::DartPort(std::int64_t native_port, void* post_cobject)
    : native_port_(native_port), post_cobject_(post_cobject) {}

bool DartPort::post(std::string message) {
  auto bytes = std::make_unique<std::string>(std::move(message));
  CObject object{};
  object.type = kExternalTypedData;
  auto& data = object.value.as_external_typed_data;
  data.type = kUint8;
  data.length = static_cast<std::intptr_t>(bytes->size());
  data.data = reinterpret_cast<std::uint8_t*>(bytes->data());
  data.peer = bytes.get();
  data.finalizer = free_message;
  live.fetch_add(1, std::memory_order_relaxed);
  const bool posted = reinterpret_cast<PostCObject>(post_cobject_)(native_port_, &object);
  if (posted) {
    static_cast<void>(bytes.release());  // the VM's now
  } else {
    live.fetch_sub(1, std::memory_order_relaxed);
  }
  return posted;
}

std::int64_t live_dart_messages() noexcept { return live.load(std::memory_order_relaxed); }

}  // namespace rwkv::bridge
