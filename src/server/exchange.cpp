#include "server/exchange.h"

#include <chrono>
#include <utility>

namespace rwkv::server {
namespace {

// How often a thread that waits for its model looks after its client.
constexpr std::chrono::milliseconds kWatch{10};

// Writes events until one cannot be written.
class EventWriter {
 public:
  EventWriter(const std::function<bool(std::string_view)>& write, bool with_usage)
      : write_(write), with_usage_(with_usage) {}

  bool good() const noexcept { return good_; }

  // Where the client wants usage at the end, every other piece says that it has none.
  void piece(OrderedJson chunk) {
    if (with_usage_) chunk["usage"] = nullptr;
    event(to_text(chunk));
  }
  void event(const std::string& data) { good_ = good_ && write_("data: " + data + "\n\n"); }

 private:
  const std::function<bool(std::string_view)>& write_;
  const bool with_usage_;
  bool good_ = true;
};

}  // namespace

Exchange::Exchange(LanguageModel& model, ApiRequest request, ApiAnswer answer)
    : streams_(request.stream),
      include_usage_(request.include_usage),
      answers_each_(request.answers_each),
      answers_(request.tasks.size()),
      answer_(std::move(answer)),
      run_(model, std::move(request.tasks), request.stream) {}

const std::vector<GenerationResult>& Exchange::checked_results(const Client& client) const {
  if (*client.stopping) throw ApiError(503, ErrorCode::kCancelled, "the server is being stopped");
  for (const GenerationResult& result : run_.results()) {
    if (result.error) throw *result.error;
    if (result.reason == EndReason::kCancelled) throw Error(ErrorCode::kCancelled, "the model was stopped");
  }
  return run_.results();
}

OrderedJson Exchange::answer(const Client& client) {
  while (!run_.wait(kWatch)) {
    if (*client.stopping || client.gone()) run_.cancel();
  }
  return answer_.whole(checked_results(client), answers_each_);
}

bool Exchange::stream(const Client& client, const std::function<bool(std::string_view)>& write) {
  EventWriter out(write, include_usage_);
  for (std::size_t i = 0; i < answers_; ++i) out.piece(answer_.opening(i));
  for (bool ended = false; !ended;) {
    ended = run_.wait(kWatch);
    const std::vector<std::string> texts = run_.take_text();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (!texts[i].empty()) out.piece(answer_.piece(i, texts[i]));
    }
    if (!out.good() || (!ended && client.gone())) return false;  // which ends the run
    if (*client.stopping) run_.cancel();
  }
  try {
    const std::vector<GenerationResult>& results = checked_results(client);
    for (std::size_t i = 0; i < results.size(); ++i) out.piece(answer_.ending(i, results[i]));
    if (include_usage_) out.event(to_text(answer_.usage(results, answers_each_)));
  } catch (const ApiError& error) {
    for (std::size_t i = 0; i < answers_; ++i) out.piece(answer_.failure(i, error));
  } catch (const Error& error) {
    for (std::size_t i = 0; i < answers_; ++i) out.piece(answer_.failure(i, ApiError(error)));
  }
  out.event("[DONE]");
  return out.good();
}

}  // namespace rwkv::server
