#include "bridge/test_client.h"

#include <atomic>

#include "bridge/callback_port.h"
#include "protocol/codec.h"

namespace rwkv::bridge::test {

std::string unique_name() {
  static std::atomic<int> last{0};
  return "test " + std::to_string(++last);
}

Client::Client(const p::PortOptions& options, std::string name) : name_(std::move(name)) {
  port_ = open_port(name_, std::make_unique<CallbackPort>(&Client::on_message, this), options);
}

Client::~Client() { close(); }

void Client::close() { close_port(port_, true); }

void Client::on_message(const char* json, std::size_t length, void* self) {
  auto& client = *static_cast<Client*>(self);
  try {
    p::ResponseMessage message = p::decode_response(p::parse_message(std::string_view(json, length)));
    const std::lock_guard lock(client.mutex_);
    client.messages_.push_back({message.request_id, std::move(message.body), Clock::now()});
    client.came_.notify_all();
  } catch (const Error& error) {
    ADD_FAILURE() << error.what() << " in: " << std::string(json, std::min<std::size_t>(length, 500));
  }
}

std::int64_t Client::send(const p::Request& request) {
  const auto id = static_cast<std::int64_t>(sent_at_.size());
  sent_at_.push_back(count());
  send_text(encoded(request, id));
  return id;
}

void Client::send_text(std::string text) { EXPECT_TRUE(rwkv::bridge::send(port_, std::move(text))); }

std::vector<Message> Client::messages() const {
  const std::lock_guard lock(mutex_);
  return messages_;
}

std::size_t Client::count() const {
  const std::lock_guard lock(mutex_);
  return messages_.size();
}

std::optional<Message> Client::wait(const std::function<bool(const Message&)>& wanted, std::size_t from,
                                    milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  std::unique_lock lock(mutex_);
  while (true) {
    for (; from < messages_.size(); ++from) {
      if (wanted(messages_[from])) return messages_[from];
    }
    if (came_.wait_until(lock, deadline) == std::cv_status::timeout && from == messages_.size()) {
      ADD_FAILURE() << "waited in vain for a message";
      return std::nullopt;
    }
  }
}

void Client::settle() { ask<p::LoadedModelIDs>(p::GetLoadedModelIDs{}); }

std::vector<std::string> Client::types(std::int64_t id) const {
  std::vector<std::string> names;
  const std::lock_guard lock(mutex_);
  for (const Message& message : messages_) {
    if (message.request_id == id) names.emplace_back(p::type_of(message.body));
  }
  return names;
}

std::string Client::script(const std::string& fields) {
  const std::string path = (folder() / ("script" + std::to_string(++scripts_) + ".json")).string();
  rwkv::test::write_file(path, R"({"rwkv_script": 1)" + (fields.empty() ? "" : ", " + fields) + "}");
  return path;
}

std::int64_t Client::start_load(const std::string& path, const std::string& backend) {
  return send(p::LoadRWKVModel{path, {backend}, "", std::nullopt});
}

std::int32_t Client::load(const std::string& path, const std::string& backend) {
  const std::int64_t id = start_load(path, backend);
  const auto end = wait([id](const Message& m) {
    const auto* steps = m.as<p::LoadModelSteps>();
    return steps && m.request_id == id && steps->status != p::LoadingStatus::kLoading;
  });
  if (!end) return -1;
  const auto& steps = *end->as<p::LoadModelSteps>();
  EXPECT_EQ(steps.status, p::LoadingStatus::kLoaded) << steps.info.value_or("");
  return static_cast<std::int32_t>(steps.model_id.value_or(-1));
}

std::int32_t Client::load_reply(const std::string& say, int decode_us, int prefill_us) {
  return load_script(R"("decode_us": )" + std::to_string(decode_us) + R"(, "prefill_us": )" +
                     std::to_string(prefill_us) + R"(, "replies": [{"say": ")" + say + R"("}])");
}

void Client::release(std::int32_t model) {
  const std::int64_t id = send(p::ReleaseRWKVModel{model});
  wait([id](const Message& m) {
    const auto* steps = m.as<p::LoadModelSteps>();
    return steps && m.request_id == id && steps->status == p::LoadingStatus::kReleased;
  });
}

void Client::wait_idle(std::int32_t model) {
  EXPECT_TRUE(eventually([&] { return !generating(model); }));
}

std::string Client::wait_text(std::int32_t model, std::size_t bytes) {
  std::string now;
  EXPECT_TRUE(eventually([&] { return (now = text(model)).size() >= bytes; })) << now;
  return now;
}

std::string Client::reply(std::int32_t model, std::vector<std::string> messages) {
  answer<p::GenerateStart>(send(chat(model, std::move(messages))));
  wait_idle(model);
  return text(model);
}

p::ChatAsync chat(std::int32_t model, std::vector<std::string> messages, std::optional<int> max_length) {
  p::ChatAsync request;
  request.add_generation_prompt = messages.size() % 2 == 1;
  request.messages = std::move(messages);
  request.model_id = model;
  request.max_length = max_length;
  return request;
}

p::GenerateAsync completion(std::int32_t model, std::string prompt, std::optional<int> max_length) {
  p::GenerateAsync request;
  request.prompt = std::move(prompt);
  request.model_id = model;
  request.max_length = max_length;
  return request;
}

p::ChatBatchAsync batch_chat(std::int32_t model, std::vector<std::vector<std::string>> messages) {
  p::ChatBatchAsync request;
  request.add_generation_prompt = messages.front().size() % 2 == 1;
  request.batch_size = static_cast<std::int32_t>(messages.size());
  request.messages = std::move(messages);
  request.model_id = model;
  return request;
}

p::SetSamplerParams sampler(std::int32_t model, double temperature, double top_k, double top_p) {
  return {temperature, top_k, top_p, 0, 0, 0, model};
}

std::string encoded(const p::Request& request, std::int64_t id) {
  return p::to_text(p::encode(p::RequestMessage{id, request}));
}

bool eventually(const std::function<bool()>& done, milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (!done()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(milliseconds(1));
  }
  return true;
}

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

}  // namespace rwkv::bridge::test
