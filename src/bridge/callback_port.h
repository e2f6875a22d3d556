// A port that calls a function of the host.
#pragma once

#include <cstddef>

#include "bridge/port.h"

namespace rwkv::bridge {

class CallbackPort final : public Port {
 public:
  /// Called on the runtime thread with `length` bytes that are valid during the call.
  using Function = void (*)(const char* json, std::size_t length, void* user_data);

  CallbackPort(Function function, void* user_data) : function_(function), user_data_(user_data) {}

  bool post(std::string message) override {
    function_(message.data(), message.size(), user_data_);
    return true;
  }

 private:
  Function function_;
  void* user_data_;
};

}  // namespace rwkv::bridge
