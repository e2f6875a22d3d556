// A client of the runtime as an app is one, for tests.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bridge/directory.h"
#include "protocol/messages.h"
#include "support/scratch.h"

namespace rwkv::bridge::test {

namespace p = rwkv::protocol;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// A message that came, in the order of coming.
struct Message {
  std::optional<std::int64_t> request_id;
  p::Response body;
  Clock::time_point at;

  template <class T>
  const T* as() const {
    return std::get_if<T>(&body);
  }
};

std::string unique_name();

/// Its port is closed with it, and with the last port of a name the runtime is gone when the destructor returns. Each
/// message that comes must be JSON that decodes as a response; anything else is a test failure.
class Client {
 public:
  explicit Client(const p::PortOptions& options = {}, std::string name = unique_name());
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  const std::string& name() const { return name_; }
  PortId port() const { return port_; }
  const std::filesystem::path& folder() const { return folder_.path(); }
  void close();

  /// Returns the request's id.
  std::int64_t send(const p::Request& request);
  void send_text(std::string text);

  std::vector<Message> messages() const;
  std::size_t count() const;
  /// The first message from number `from` on that `wanted` accepts; a test failure and nothing after `timeout`.
  std::optional<Message> wait(const std::function<bool(const Message&)>& wanted, std::size_t from = 0,
                              milliseconds timeout = milliseconds(20000));
  /// Returns when everything sent so far has been looked at.
  void settle();

  /// The answer of type T to the request `id`.
  template <class T>
  T answer(std::int64_t id) {
    const auto message = wait([id](const Message& m) { return m.request_id == id && m.template as<T>(); }, sent_at(id));
    return message ? *message->template as<T>() : T{};
  }
  template <class T>
  T ask(const p::Request& request) {
    return answer<T>(send(request));
  }
  /// All messages of type T so far, of one request if `id` is given.
  template <class T>
  std::vector<T> all(std::optional<std::int64_t> id = std::nullopt) const {
    std::vector<T> found;
    const std::lock_guard lock(mutex_);
    for (const Message& message : messages_) {
      if (const T* body = message.template as<T>(); body && (!id || message.request_id == id)) found.push_back(*body);
    }
    return found;
  }
  /// Names of the types of the answers to a request, in order.
  std::vector<std::string> types(std::int64_t id) const;

  /// Writes {"rwkv_script": 1, `fields`} and returns its path.
  std::string script(const std::string& fields);
  std::int64_t start_load(const std::string& path, const std::string& backend);
  /// Waits for the terminal step; a test failure unless it is `loaded`. Returns the id.
  std::int32_t load(const std::string& path, const std::string& backend);
  std::int32_t load_script(const std::string& fields) { return load(script(fields), "scripted"); }
  /// A script with one reply.
  std::int32_t load_reply(const std::string& say, int decode_us = 0, int prefill_us = 0);
  /// The model of the repository.
  std::int32_t load_tiny() { return load(rwkv::test::kModel.string(), "llama.cpp"); }
  void release(std::int32_t model);

  bool generating(std::int32_t model) { return ask<p::IsGenerating>(p::GetIsGenerating{model}).is_generating; }
  std::string text(std::int32_t model) {
    return ask<p::ResponseBufferContent>(p::GetResponseBufferContent{model}).response_buffer_content;
  }
  p::ResponseBatchBufferContent batch(std::int32_t model) {
    return ask<p::ResponseBatchBufferContent>(p::GetBatchResponseBufferContent{model});
  }
  /// Polls until the model is idle.
  void wait_idle(std::int32_t model);
  /// Polls until the text has at least so many bytes.
  std::string wait_text(std::int32_t model, std::size_t bytes);
  /// Chats, waits for the end and returns the text.
  std::string reply(std::int32_t model, std::vector<std::string> messages);

 private:
  /// How many messages had come when the request was sent.
  std::size_t sent_at(std::int64_t id) const { return sent_at_[static_cast<std::size_t>(id)]; }
  static void on_message(const char* json, std::size_t length, void* self);

  const std::string name_;
  const rwkv::test::ScratchFolder folder_;
  PortId port_ = 0;
  std::vector<std::size_t> sent_at_;  // [request id]
  int scripts_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable came_;
  std::vector<Message> messages_;
};

/// A chat with the flags that apps use: a new turn after the user's, going on with the assistant's.
p::ChatAsync chat(std::int32_t model, std::vector<std::string> messages, std::optional<int> max_length = std::nullopt);
p::GenerateAsync completion(std::int32_t model, std::string prompt, std::optional<int> max_length = std::nullopt);
p::ChatBatchAsync batch_chat(std::int32_t model, std::vector<std::vector<std::string>> messages);
p::SetSamplerParams sampler(std::int32_t model, double temperature, double top_k, double top_p);
/// The likeliest token each time, no penalties.
inline p::SetSamplerParams greedy(std::int32_t model) { return sampler(model, 1, 1, 1); }

/// As JSON text with this request id.
std::string encoded(const p::Request& request, std::int64_t id);

/// Runs `done` until it says yes, for at most `timeout`.
bool eventually(const std::function<bool()>& done, milliseconds timeout = milliseconds(20000));

/// `text` `times` times.
std::string repeated(const std::string& text, int times);

}  // namespace rwkv::bridge::test
