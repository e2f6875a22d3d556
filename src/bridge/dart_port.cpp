#include "bridge/dart_port.h"

namespace rwkv::bridge {
namespace {

// The layout of the VM's Dart_CObject, of which only typed data is used here. The VM keeps it stable: it is what every
// native extension is compiled against.
enum CObjectType : std::int32_t { kTypedData = 7 };
enum TypedDataType : std::int32_t { kUint8 = 2 };

struct CObject {
  std::int32_t type;
  union {
    std::int64_t as_int64;
    double as_double;
    struct {
      std::int32_t type;
      std::intptr_t length;  // elements
      const std::uint8_t* values;
    } as_typed_data;
    std::intptr_t as_largest[5];  // the size of the VM's union
  } value;
};

using PostCObject = bool (*)(std::int64_t port, CObject* message);

}  // namespace

DartPort::DartPort(std::int64_t native_port, void* post_cobject)
    : native_port_(native_port), post_cobject_(post_cobject) {}

bool DartPort::post(std::string message) {
  CObject object{};
  object.type = kTypedData;
  auto& data = object.value.as_typed_data;
  data.type = kUint8;
  data.length = static_cast<std::intptr_t>(message.size());
  data.values = reinterpret_cast<const std::uint8_t*>(message.data());
  return reinterpret_cast<PostCObject>(post_cobject_)(native_port_, &object);
}

}  // namespace rwkv::bridge
