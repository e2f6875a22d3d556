#include "capi/callbacks.h"

#include "base/error.h"
#include "base/host_call.h"

namespace rwkv::capi {
namespace {

constexpr int kNoToken = -1;

// `texts`: of all slots, with the step.
void call(const Callbacks& callbacks, const host::TextStream::Step& step, const std::vector<std::string>& texts) {
  const HostCall host;
  if (!host.allowed()) return;
  const int token = step.token.value_or(kNoToken);
  if (callbacks.single) {
    callbacks.single(texts[step.slot].c_str(), token, step.text.c_str());
    return;
  }
  std::vector<const char*> all;
  for (const std::string& text : texts) all.push_back(text.c_str());
  std::vector<int> tokens(texts.size(), kNoToken);
  std::vector<const char*> news(texts.size(), "");
  tokens[step.slot] = token;
  news[step.slot] = step.text.c_str();
  callbacks.batch(static_cast<int>(texts.size()), all.data(), tokens.data(), news.data());
}

}  // namespace

void refuse_inside_callback() {
  if (!HostCall::inside()) return;
  throw Error(ErrorCode::kBusy, "a callback cannot release: the release would wait for it; release from elsewhere");
}

void tell_steps(host::Run& run, const Callbacks& callbacks, std::vector<std::string> texts) {
  bool ended = false;
  for (std::uint64_t seen = 0; !ended && !run.cancel.cancelled();) {
    seen = run.stream.wait_for_news(seen);
    ended = run.stream.ended();  // asked for first: no step comes after the end
    for (const host::TextStream::Step& step : run.stream.take_steps()) {
      if (run.cancel.cancelled()) return;
      texts[step.slot] += step.text;
      call(callbacks, step, texts);
    }
  }
}

}  // namespace rwkv::capi
