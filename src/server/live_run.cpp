#include "server/live_run.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace rwkv::server {

// What the model's thread has to tell.
struct LiveRun::News {
  News(const std::vector<GenerationTask>& tasks, std::function<void()> tell)
      : on_news(std::move(tell)), fresh(tasks.size()) {
    for (const GenerationTask& task : tasks) begun.push_back(bytes_begun(task.prompt));
    seen = begun;
  }

  // What the client has of an answer already, which the model's text begins with: without the template's space.
  static std::size_t bytes_begun(const Prompt& prompt) {
    if (!prompt.resumes_answer) return 0;
    return prompt.reply.size() - (prompt.reply.starts_with(' ') ? 1 : 0);
  }

  void add_text(std::size_t index, const std::string& text) {
    if (text.size() <= seen[index]) return;
    {
      const std::lock_guard lock(mutex);
      fresh[index].append(text, seen[index]);
      seen[index] = text.size();
    }
    on_news();
  }

  void end(std::vector<GenerationResult> all) {
    {
      const std::lock_guard lock(mutex);
      results = std::move(all);
      for (std::size_t i = 0; i < results.size(); ++i) {
        std::string& answer = results[i].text;
        answer.erase(0, std::min(begun[i], answer.size()));
      }
      ended = true;
      changed.notify_all();
    }
    on_news();
  }

  const std::function<void()> on_news;
  std::vector<std::size_t> begun;
  std::vector<std::size_t> seen;  // bytes of each text that have gone to `fresh`; of the model's thread
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> fresh;
  bool ended = false;
  std::vector<GenerationResult> results;
};

LiveRun::LiveRun(LanguageModel& model, std::vector<GenerationTask> tasks, bool wants_text,
                 std::function<void()> on_news)
    : news_(std::make_shared<News>(tasks, std::move(on_news))) {
  GenerationCallbacks callbacks;
  if (wants_text) {
    callbacks.on_token = [news = news_](std::size_t index, const Generation& generation) {
      news->add_text(index, generation.text());
    };
  }
  model.submit(std::move(tasks), std::move(callbacks), cancel_,
               [news = news_](std::vector<GenerationResult> results) { news->end(std::move(results)); });
}

LiveRun::~LiveRun() {
  cancel();
  std::unique_lock lock(news_->mutex);
  news_->changed.wait(lock, [&] { return news_->ended; });
}

bool LiveRun::has_ended() const {
  const std::lock_guard lock(news_->mutex);
  return news_->ended;
}

std::vector<std::string> LiveRun::take_text() {
  const std::lock_guard lock(news_->mutex);
  std::vector<std::string> taken(news_->fresh.size());
  std::swap(taken, news_->fresh);
  return taken;
}

const std::vector<GenerationResult>& LiveRun::results() const { return news_->results; }

}  // namespace rwkv::server
