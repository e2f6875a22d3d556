// Runs of models: started, told about while they go on, ended.
#include <chrono>
#include <utility>

#include "base/error_of.h"
#include "base/insist.h"
#include "base/log.h"
#include "bridge/runtime.h"
#include "host/generate.h"

namespace rwkv::bridge {
namespace {

/// At most one pushed message a stream in this time.
constexpr std::chrono::milliseconds kPushInterval{8};
/// How long a GenerateStop of the runtime's own waits for a poll to stand beside: a client that polls must not see it
/// between the last text and the end of generating.
constexpr std::chrono::milliseconds kEndNoticeDelay{500};

}  // namespace

void Runtime::start_run(const Origin& origin, const std::shared_ptr<BridgedModel>& host,
                        const std::shared_ptr<BridgedRun>& run, host::MakeTasks make_tasks) {
  if (host->end_notice) give_end_notice(*host);
  if (!run->subscriptions.empty()) run->wants_flushes = true;
  auto use = host->admit(host::ModelHost::Kind::kGeneration, run->cancel);
  run->use = use;
  const std::weak_ptr<BridgedModel> weak = host;
  host->post(use, [this, weak, use, model = &host->model(), run, make_tasks = std::move(make_tasks)] {
    if (run->claimed.exchange(true)) return;
    const auto error = error_of([&] {
      const auto on_news = [this, weak, run] {
        if (!run->stream.ended()) ask_for_flush(weak, run);
      };
      host::submit_into(run, *model, make_tasks, on_news).wait();
    });
    if (error) run->stream.finish(EndReason::kError, error);
    use->end();  // what hears of the run's end may start the next one
    post_run_ended(weak, run);
  });
  // From here on nothing keeps the run from its end, which comes to this thread. What the last run told its subscribers
  // is complete: they see its end before anything of this one.
  host->run = run;
  host->running = true;
  reply_surely(origin, protocol::GenerateStart{});
}

void Runtime::post_run_ended(const std::weak_ptr<BridgedModel>& host, const std::shared_ptr<BridgedRun>& run) {
  insist([&] {
    mailbox_.post([this, host, run] {
      if (const auto ended = host.lock()) run_ended(ended, run);
    });
  });
}

void Runtime::run_ended(const std::shared_ptr<BridgedModel>& host, const std::shared_ptr<BridgedRun>& run) {
  host->running = false;
  const std::optional<Origin> stop = std::exchange(host->stop, std::nullopt);
  if (const auto untold = error_of([&] { tell_end(host, run, stop); })) log::error(untold->what());
  host->draining = false;
  serve_deferred(host);
  check_idle();
}

void Runtime::tell_end(const std::shared_ptr<BridgedModel>& host, const std::shared_ptr<BridgedRun>& run,
                       const std::optional<Origin>& stop) {
  insist_a_while([&] { push(*host, *run); });
  std::optional<Error> error;
  for (std::size_t slot = 0; slot < run->stream.slots() && !error; ++slot) {
    const auto end = run->stream.end(slot);
    if (end && end->reason == EndReason::kError) error = end->error;
  }
  if (run->released && !error) error = Error(ErrorCode::kCancelled, "the model was released");
  const auto tell_whole_puzzle = [&] {
    protocol::SudokuOthelloResponse whole;
    insist_a_while([&] {
      whole.sudoku_othello_response = run->tells_whole_text ? run->stream.text(0) : run->stream.start_text(0);
    });
    reply_surely(run->origin, std::move(whole));
  };
  const bool puzzle = run->kind == BridgedRun::Kind::kPuzzle;
  if (stop) {
    run->behind.clear();  // who stops a run knows that it has ended
    if (puzzle) tell_whole_puzzle();
    reply_surely(*stop, protocol::GenerateStop{});
    done(*stop);
    done(run->origin);
  } else if (puzzle) {
    // Apps know the two orders as success and failure.
    if (!error) tell_whole_puzzle();
    reply_surely(run->origin, generate_stop(error));
    if (error) tell_whole_puzzle();
    done(run->origin);
  } else if (error || (run->notify_end && !run->prefill_only)) {
    insist_a_while([&] {
      mailbox_.post_at(Mailbox::Clock::now() + kEndNoticeDelay, [this, weak = std::weak_ptr(host), run] {
        const auto waiting = weak.lock();
        if (waiting && waiting->run == run && waiting->end_notice) give_end_notice(*waiting);
        check_idle();
      });
    });
    insist_a_while([&] {
      host->end_notice = [this, origin = run->origin, error] {
        reply_surely(origin, generate_stop(error));
        done(origin);
      };
    });
  } else {
    done(run->origin);
  }
}

void Runtime::give_end_notice(BridgedModel& host) {
  const auto notice = std::exchange(host.end_notice, nullptr);
  notice();
}

void Runtime::drain(const std::shared_ptr<BridgedModel>& host) {
  host->draining = true;
  host->run->cancel.cancel();
  // A run that has not begun need not wait for what the model's thread does (an evaluation, a state being saved).
  if (host->run->claimed.exchange(true)) return;
  if (const auto use = host->run->use.lock()) use->end();
  host->run->stream.finish(EndReason::kCancelled);
  post_run_ended(host, host->run);
}

// Until one of them drains the model again.
void Runtime::serve_deferred(const std::shared_ptr<BridgedModel>& host) {
  while (!host->draining && !host->deferred.empty()) {
    const auto request = std::move(host->deferred.front());
    host->deferred.pop_front();
    request();
  }
}

// On the model's thread.
void Runtime::ask_for_flush(const std::weak_ptr<BridgedModel>& host, const std::shared_ptr<BridgedRun>& run) {
  if (!run->wants_flushes.load(std::memory_order_relaxed)) return;
  if (run->flush_due.exchange(true)) return;
  // The first piece goes at once, the next ones wait until the interval is over.
  const auto flush = [this, host, run] {
    run->flush_due = false;
    const auto running = host.lock();
    if (running && running->run == run && running->running) push(*running, *run);
  };
  const auto in_time = [this, run, flush] {
    const auto due = run->last_push + kPushInterval;
    if (due > Mailbox::Clock::now() && !error_of([&] { mailbox_.post_at(due, flush); })) return;
    flush();
  };
  // Without memory the next token asks again, and the end tells what is left.
  if (error_of([&] { mailbox_.post(in_time); })) run->flush_due = false;
}

void Runtime::push(BridgedModel& host, BridgedRun& run) {
  run.last_push = Mailbox::Clock::now();
  if (run.kind == BridgedRun::Kind::kPuzzle) tell_puzzle_tokens(host, run);
  if (run.subscriptions.empty()) return;
  const SpeedMeter& speeds = host.model().speeds();
  const std::set<PortId> all = run.listeners(BridgedRun::kEverySlot);
  if (const auto progress = run.stream.take_prefill_progress()) {
    push_to(
        all, run,
        protocol::GenerationProgress{host.id(), run.id, -1, *progress, speeds.prefill_speed(), speeds.decode_speed()});
  }
  for (std::size_t slot = 0; slot < run.stream.slots(); ++slot) {
    const auto index = static_cast<std::int32_t>(slot);
    // Pieces are made for somebody: a later subscriber of the slot takes what there is as its first.
    const std::set<PortId> listeners = run.listeners(index);
    if (listeners.empty()) continue;
    std::set<PortId> whole = listeners;
    std::set<PortId> only_new;
    for (const PortId port : listeners) {
      if (wants_only_new(port)) only_new.insert(whole.extract(port));
    }
    // Looked for first: text that belongs to an end was there before the end was. It is taken when nothing takes memory
    // any more: what is taken has to be told. Who hears of the last end may start the next run at once, so that one
    // waits until the model is free.
    const bool has_ended = run.stream.end(slot).has_value();
    if (auto delta = run.stream.take_delta(slot)) {
      const auto tell = [&](const std::set<PortId>& ports) {
        if (ports.empty()) return;
        protocol::Response told;
        insist_a_while([&] {
          told = protocol::GenerationDelta{host.id(), run.id, index, delta->sequence, delta->text, delta->tokens};
        });
        push_to(ports, run, told);
      };
      tell(whole);
      delta->leave_out_given();
      tell(only_new);
    }
    const auto end = has_ended ? run.stream.take_end(slot, host.running) : std::nullopt;
    if (!end) continue;
    protocol::GenerationEnd message;
    message.model_id = host.id();
    message.generation_id = run.id;
    message.slot = index;
    message.sequence = run.stream.last_sequence(slot);
    message.reason = to_protocol(end->reason);
    message.prompt_tokens = end->prompt_tokens;
    message.generated_tokens = end->generated_tokens;
    message.prefill_speed = speeds.prefill_speed();
    message.decode_speed = speeds.decode_speed();
    if (end->error) {
      insist_a_while([&] {
        message.error = end->error->what();
        message.code = to_string(end->error->code());
      });
    }
    push_to(listeners, run, std::move(message));
  }
}

void Runtime::push_to(const std::set<PortId>& listeners, const BridgedRun& run, const protocol::Response& response) {
  for (const PortId port : listeners) {
    reply_surely({port, port == run.origin.port ? run.origin.request_id : std::nullopt}, response);
  }
}

bool Runtime::wants_only_new(PortId port) const {
  const Client* client = find_client(port);
  return client && client->options.only_new;
}

void Runtime::tell_puzzle_tokens(BridgedModel& host, BridgedRun& run) {
  std::vector<host::TextStream::Step> steps = run.stream.take_steps();
  std::erase_if(steps, [](const host::TextStream::Step& step) { return !step.token; });
  if (steps.empty()) return;
  std::string text;
  if (run.tells_whole_text) insist_a_while([&] { text = run.stream.text(0); });
  const SpeedMeter& speeds = host.model().speeds();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& step = steps[i];
    protocol::StreamResponse message;
    insist_a_while([&] {
      if (run.tells_whole_text) message.stream_response = text.substr(0, step.text_end);
      message.stream_response_new_text = step.text;
    });
    message.stream_response_token = *step.token;
    // Measured once a bunch.
    const bool measured = i + 1 == steps.size();
    message.prefill_speed = measured ? speeds.prefill_speed() : -1.0;
    message.decode_speed = measured ? speeds.decode_speed() : -1.0;
    reply_surely(run.origin, std::move(message));
  }
}

}  // namespace rwkv::bridge
