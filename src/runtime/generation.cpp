#include "runtime/generation.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/error.h"

namespace rwkv {
namespace {

std::uint64_t fresh_seed() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

ReplyText::Rules reply_rules(const Prompt& prompt, const GenerationOptions& options) {
  ReplyText::Rules rules;
  rules.trim = prompt.chat;
  rules.stops = prompt.stops;
  for (const std::string& stop : options.stops) {
    if (stop.empty()) throw Error(ErrorCode::kInvalidArgument, "a stop string is empty; leave it out instead");
    rules.stops.push_back(stop);
  }
  return rules;
}

}  // namespace

std::string_view to_string(EndReason reason) noexcept {
  switch (reason) {
    case EndReason::kEos: return "eos";
    case EndReason::kStop: return "stop";
    case EndReason::kLength: return "length";
    case EndReason::kCancelled: return "cancelled";
    case EndReason::kError: return "error";
  }
  return "error";
}

Generation::Generation(const Tokenizer& tokenizer, const OpeningRules& opening, Prompt prompt,
                       GenerationOptions options)
    : tokenizer_(tokenizer),
      opening_(opening),
      prompt_(std::move(prompt)),
      options_(std::move(options)),
      sampler_(options_.seed ? *options_.seed : fresh_seed()),
      reply_(reply_rules(prompt_, options_), prompt_.chat ? std::string_view(prompt_.reply) : std::string_view()) {
  if (options_.max_tokens < 0) {
    throw Error(ErrorCode::kInvalidArgument, "max_tokens is " + std::to_string(options_.max_tokens) +
                                                 "; use 0 to only evaluate the prompt, or a positive number");
  }
  validate(options_.sampler);
  validate(options_.penalties);
  // A resumed answer has been "generated" already as far as repetition goes.
  if (prompt_.resumes_answer) {
    Tokens said;
    tokenizer_.encode(prompt_.reply, said);
    for (const TokenId token : said) penalties_.count(token);
  }
}

// Tokens that can never be chosen: those without bytes (padding of the vocabulary) and the host's bans.
void Generation::prepare_bans() {
  for (std::size_t i = 1; i < always_.size(); ++i) {
    always_[i] = tokenizer_.bytes(static_cast<TokenId>(i)).empty() ? 1 : 0;
  }
  for (const TokenId id : options_.banned) {
    if (id >= 0 && static_cast<std::size_t>(id) < always_.size()) always_[static_cast<std::size_t>(id)] = 1;
  }
}

// Without a thinking block to fill, an answer begins with something to read.
bool Generation::opening_bans_apply() const {
  if (!prompt_.chat || reply_.has_visible_text()) return false;
  return !options_.reasoning || options_.force_reasoning || !reply_.thinking();
}

std::optional<TokenId> Generation::next(std::span<const float> logits) {
  // Not before: a prompt that could not be evaluated ends with what went wrong.
  if (!ended() && options_.max_tokens == 0) end(EndReason::kLength);
  if (ended()) return std::nullopt;
  if (always_.size() != logits.size()) {
    always_.assign(logits.size(), 0);
    prepare_bans();
  }
  std::span<const std::uint8_t> bans = always_;
  const bool in_opening = prompt_.chat && static_cast<int>(tokens_.size()) < kOpeningTokens;
  const bool language_rules =
      options_.language != ForcedLanguage::kNone && prompt_.chat && (in_opening || !unfinished_.empty());
  if ((in_opening && opening_bans_apply()) || language_rules) {
    banned_ = always_;
    if (in_opening && opening_bans_apply()) {
      for (const TokenId id : opening_.empty_openings()) {
        if (static_cast<std::size_t>(id) < banned_.size()) banned_[static_cast<std::size_t>(id)] = 1;
      }
    }
    if (language_rules) opening_.ban_other_languages(options_.language, unfinished_, banned_);
    // Rules for a good beginning yield where they would leave nothing to say.
    if (std::find(banned_.begin(), banned_.end(), 0) != banned_.end()) bans = banned_;
  }

  const TokenId token = sampler_.sample(logits, options_.sampler, options_.penalties, penalties_, bans);
  penalties_.count(token);
  if (prompt_.chat && token == kEndOfText) {
    end(EndReason::kEos);
    return std::nullopt;
  }

  const std::string_view bytes = tokenizer_.bytes(token);
  if (language_rules) {
    unfinished_.append(bytes);
    unfinished_.erase(0, unfinished_.size() / 3 * 3);
    if (!is_cjk_or_begins_it(unfinished_)) unfinished_.clear();
  }
  const int stop = reply_.push(bytes);
  if (stop >= 0) {
    const bool is_eos = stop == 0 && !prompt_.stops.empty();
    reason_ = is_eos ? EndReason::kEos : EndReason::kStop;
    return std::nullopt;
  }
  tokens_.push_back(token);
  if (!prompt_.chat && options_.stop_token == token) {
    end(token == kEndOfText ? EndReason::kEos : EndReason::kStop);
    return std::nullopt;
  }
  if (static_cast<int>(tokens_.size()) >= options_.max_tokens) {
    end(EndReason::kLength);
    return std::nullopt;
  }
  return token;
}

void Generation::end(EndReason reason) {
  if (ended()) return;
  reason_ = reason;
  reply_.finish();
}

}  // namespace rwkv
