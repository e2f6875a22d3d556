// Where messages to a client go.
#pragma once

#include <cstdint>
#include <string>

namespace rwkv::bridge {

/// One client's end. Used by the runtime thread alone; destroyed when the client has closed it or is found dead.
class Port {
 public:
  virtual ~Port() = default;

  /// Hands one message (a JSON object, valid UTF-8) over without waiting for the client. False: nobody is there any
  /// more.
  virtual bool post(std::string message) = 0;

  /// Whether somebody is still there, where that can be told.
  virtual bool alive() { return true; }
};

}  // namespace rwkv::bridge
