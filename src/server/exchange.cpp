#include "server/exchange.h"

#include <algorithm>
#include <utility>

#include "base/error_of.h"
#include "host/generate.h"

namespace rwkv::server {
namespace {

void add_event(std::string& events, const std::string& data) { events += "data: " + data + "\n\n"; }

// Where the client wants usage at the end, every other piece says that it has none.
void add_piece(std::string& events, OrderedJson piece, bool with_usage) {
  if (with_usage) piece["usage"] = nullptr;
  add_event(events, to_text(piece));
}

}  // namespace

Exchange::Exchange(LanguageModel& model, ApiRequest request, ApiAnswer answer)
    : streams_(request.stream),
      include_usage_(request.include_usage),
      answers_each_(request.answers_each),
      model_(model),
      tasks_(std::move(request.tasks)),
      answers_(tasks_.size()),
      answer_(std::move(answer)) {}

void Exchange::start(std::function<void()> on_news) {
  run_ = std::make_shared<host::Run>(answers_);
  for (const GenerationTask& task : tasks_) {
    begun_.push_back(task.prompt.resumes_answer ? host::begun_bytes(task.prompt) : 0);
  }
  taken_ = begun_;
  const bool shows_something =
      std::any_of(tasks_.begin(), tasks_.end(), [](const GenerationTask& task) { return !task.prompt.media.empty(); });
  const auto tell = [&stream = run_->stream, streams = streams_, on_news = std::move(on_news)] {
    if (streams || stream.ended()) on_news();
  };
  const auto submit = [this, tell] {
    end_ = host::submit_into(run_, model_, [this] { return std::move(tasks_); }, tell);
  };
  if (shows_something) {
    encoding_ = std::thread([this, submit, tell] {
      // Nobody is there to catch it.
      const auto error = error_of(submit);
      if (!error) return;
      run_->stream.finish(EndReason::kError, error);
      tell();
    });
    return;
  }
  submit();
  if (const auto error = host::refusal(*run_)) throw Error(*error);
}

Exchange::~Exchange() {
  if (run_) run_->cancel.cancel();
  if (encoding_.joinable()) encoding_.join();
  if (end_.valid()) end_.wait();
}

const std::vector<GenerationResult>& Exchange::checked_results(bool stopping) const {
  if (stopping) throw ApiError(503, ErrorCode::kCancelled, "the server is being stopped");
  if (const auto error = host::refusal(*run_)) throw Error(*error);
  for (const GenerationResult& result : run_->results) {
    if (result.error) throw *result.error;
    if (result.reason == EndReason::kCancelled) throw Error(ErrorCode::kCancelled, "the model was stopped");
  }
  return run_->results;
}

OrderedJson Exchange::answer(bool stopping) const {
  std::vector<GenerationResult> results = checked_results(stopping);
  for (std::size_t i = 0; i < results.size(); ++i) {
    std::string& text = results[i].text;
    text.erase(0, std::min(begun_[i], text.size()));
  }
  return answer_.whole(results, answers_each_);
}

std::string Exchange::take_events(bool stopping) {
  std::string events;
  if (told_) return events;
  for (std::size_t i = 0; !opened_ && i < answers_; ++i) add_piece(events, answer_.opening(i), include_usage_);
  opened_ = true;
  const bool ended = run_->stream.ended();  // asked for first: text that belongs to the end is there then
  for (std::size_t i = 0; i < answers_; ++i) {
    const std::string text = run_->stream.text_after(i, taken_[i]);
    if (text.empty()) continue;
    taken_[i] += text.size();
    if (std::optional<OrderedJson> piece = answer_.piece(i, text)) {
      add_piece(events, *std::move(piece), include_usage_);
    }
  }
  if (!ended) return events;
  tell_end(events, stopping);
  add_event(events, "[DONE]");
  told_ = true;
  return events;
}

void Exchange::tell_end(std::string& events, bool stopping) {
  const auto tell_failure = [&](const ApiError& error) {
    for (std::size_t i = 0; i < answers_; ++i) add_piece(events, answer_.failure(i, error), include_usage_);
  };
  try {
    const std::vector<GenerationResult>& results = checked_results(stopping);
    for (std::size_t i = 0; i < results.size(); ++i) add_piece(events, answer_.ending(i, results[i]), include_usage_);
    if (include_usage_) add_event(events, to_text(answer_.usage(results, answers_each_)));
  } catch (const ApiError& error) {
    tell_failure(error);
  } catch (const Error& error) {
    tell_failure(ApiError(error));
  }
}

}  // namespace rwkv::server
