#include "server/api_request.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/base64.h"
#include "host/settings.h"

namespace rwkv::server {
namespace {

constexpr int kMostAnswers = 128;
constexpr std::size_t kMostStops = 128;
constexpr std::size_t kLongestStop = 1024;
constexpr int kMaxInt = std::numeric_limits<int>::max();

// Whether a value asks for nothing, in all the ways clients say so.
bool is_nothing(const Json& value) {
  return value.is_null() || value == false || value == 0 ||
         (value.is_string() && value.get_ref<const std::string&>().empty()) || (value.is_structured() && value.empty());
}

// Samplers that other servers have. Clients send all their settings always, so what changes nothing is taken.
void refuse_other_samplers(const Fields& fields) {
  static const std::pair<const char*, double> kNeutral[]{
      {"min_p", 0},          {"repeat_penalty", 1},  {"repetition_penalty", 1}, {"typical_p", 1},
      {"tfs_z", 1},          {"top_a", 0},           {"mirostat", 0},           {"mirostat_mode", 0},
      {"dry_multiplier", 0}, {"xtc_probability", 0}, {"dynatemp_range", 0}};
  for (const auto& [name, neutral] : kNeutral) {
    const Json* value = fields.find(name);
    if (!value || *value == false || (value->is_number() && value->get<double>() == neutral)) continue;
    throw unsupported_field(name);
  }
  for (const char* name : {"grammar", "json_schema", "guided_json"}) {
    if (const Json* value = fields.find(name); value && !is_nothing(*value)) throw unsupported_field(name);
  }
}

// An answer without what was asked for would look like one with it.
void refuse_what_is_not_built(const Fields& fields) {
  const Json* choice = fields.find("tool_choice");
  const bool may_use_tools = !choice || *choice != "none";
  for (const char* name : {"logprobs", "top_logprobs", "tools", "functions", "logit_bias", "echo", "suffix", "audio"}) {
    const Json* value = fields.find(name);
    if (std::string_view(name) == "tools" && !may_use_tools) continue;
    // The completions of OpenAI count logprobs from 0: the chosen token's own.
    const bool counts_from_zero = std::string_view(name) == "logprobs" && value && value->is_number();
    if (value && (!is_nothing(*value) || counts_from_zero)) throw unsupported_field(name);
  }
  if (const Json* format = fields.find("response_format")) {
    if (Fields(*format, "response_format.").string("type").value_or("text") != "text") {
      throw unsupported_field("response_format.type");
    }
  }
  if (const Json* modalities = fields.find("modalities"); modalities && *modalities != Json::array({"text"})) {
    throw unsupported_field("modalities");
  }
  if (fields.integer("best_of", 1, kMostAnswers).value_or(1) > 1) throw unsupported_field("best_of");
}

std::vector<std::string> read_stops(const Fields& fields) {
  const Json* json = fields.find("stop");
  if (!json) return {};
  const auto bad = [] {
    return bad_field("stop", "a string or a list of at most " + std::to_string(kMostStops) + " strings, of at most " +
                                 std::to_string(kLongestStop) + " bytes each");
  };
  const Json list = json->is_array() ? *json : Json::array({*json});
  if (list.size() > kMostStops) throw bad();
  std::vector<std::string> stops;
  for (const Json& stop : list) {
    if (!stop.is_string()) throw bad();
    const auto& text = stop.get_ref<const std::string&>();
    if (text.size() > kLongestStop) throw bad();
    if (!text.empty()) stops.push_back(text);  // an empty field of a form: no stop
  }
  return stops;
}

// -1 is how other servers spell "a random one".
void read_seed(const Fields& fields, std::optional<std::uint64_t>& seed) {
  const Json* json = fields.find("seed");
  if (!json) return;
  if (json->is_number_unsigned()) {
    seed = json->get<std::uint64_t>();
    return;
  }
  const std::optional<std::int64_t> whole = whole_number(*json);
  if (!whole) throw bad_field("seed", "an integer");
  seed.reset();
  if (*whole != -1) seed = static_cast<std::uint64_t>(*whole);
}

// What all kinds of requests share.
GenerationOptions read_options(const Fields& fields, const GenerationOptions& defaults) {
  GenerationOptions options = defaults;
  for (const char* name : {"max_tokens", "max_completion_tokens"}) {
    const auto tokens = fields.integer(name, -1, kMaxInt);
    if (!tokens) continue;
    if (*tokens == 0) throw bad_field(name, "1 or more, or -1 for no limit");
    options.max_tokens = *tokens < 0 ? kMaxInt : static_cast<int>(*tokens);
  }
  SamplerParams& sampler = options.sampler;
  if (const auto top_k = fields.integer("top_k", std::numeric_limits<int>::min(), kMaxInt)) {
    sampler.top_k = static_cast<int>(*top_k);
  }
  if (const auto top_p = fields.number("top_p", 0, 1)) sampler.top_p = *top_p;
  if (const auto temperature = fields.number("temperature", 0, 100)) {
    sampler.temperature = *temperature;
    // The sampler's lowest temperature is above 0, which everybody takes for "the most likely token".
    if (*temperature == 0) sampler.top_k = 1;
  }
  PenaltyParams& penalties = options.penalties;
  if (const auto presence = fields.number("presence_penalty", -100, 100)) penalties.presence = *presence;
  if (const auto frequency = fields.number("frequency_penalty", -100, 100)) penalties.frequency = *frequency;
  if (const auto decay = fields.number("penalty_decay", 0, 1)) penalties.decay = *decay;
  read_seed(fields, options.seed);
  for (std::string& stop : read_stops(fields)) options.stops.push_back(std::move(stop));
  return options;
}

ForcedLanguage language_of_number(const Json& json, const std::string& path) {
  const auto number = whole_number(json);
  const auto language = number ? forced_language(*number) : std::nullopt;
  if (language) return *language;
  throw bad_field(path, "0 (none), 1 (Chinese) or 2 (English)");
}

ForcedLanguage language_of_name(const Json& json, const std::string& path) {
  if (json == "") return ForcedLanguage::kNone;  // NOLINT(readability-container-size-empty): of a text, not of a list
  if (json == "zh" || json == "zh-CN") return ForcedLanguage::kChinese;
  if (json == "en" || json == "en-US" || json == "en-GB") return ForcedLanguage::kEnglish;
  throw bad_field(path, "zh, zh-CN, en, en-US or en-GB");
}

// One for each conversation; a batch may give a list of them.
void read_languages(const Fields& fields, bool batch, std::vector<ForcedLanguage>& languages) {
  const auto read = [&](const char* name, auto&& parse) {
    const Json* json = fields.find(name);
    if (!json) return;
    if (!batch || !json->is_array()) {
      std::fill(languages.begin(), languages.end(), parse(*json, name));
      return;
    }
    if (json->size() != languages.size()) throw bad_field(name, "one value, or one for each conversation");
    for (std::size_t i = 0; i < languages.size(); ++i) {
      if (!(*json)[i].is_null()) languages[i] = parse((*json)[i], name);
    }
  };
  read("force_lang", language_of_number);
  read("force_language", language_of_name);
}

using Takes = EncoderInfo::Takes;

// The file of a part, in the request itself: what addresses and paths name is nobody's to read here.
std::shared_ptr<const Embeddings> read_media(const Fields& part, Takes takes, const ServedModel& served) {
  if (!served.senses || !served.senses->encoder(takes)) throw unsupported_field(part.path_to("type"));
  const bool is_picture = takes == Takes::kPicture;
  const char* const name = is_picture ? "image_url" : "input_audio";
  const Json* json = part.find(name);
  const auto bad = [&](const std::string& field, const std::string& what) {
    return bad_field(part.path_to(name) + "." + field, what);
  };
  const char* const field = is_picture ? "url" : "data";
  if (!json || !json->is_object()) throw bad(field, is_picture ? "a data URI" : "a file in base64");
  std::string_view data;
  const std::optional<std::string> text = Fields(*json, part.path_to(name) + ".").string(field);
  if (text) data = *text;
  if (is_picture) {
    const std::size_t comma = data.find(',');
    if (!data.starts_with("data:") || comma == std::string_view::npos || !data.substr(0, comma).ends_with(";base64")) {
      throw bad(field, "a data URI with base64 (data:image/png;base64,...): other addresses and files are not read");
    }
    data.remove_prefix(comma + 1);
  }
  auto bytes = decode_base64(data);
  if (!bytes || bytes->empty()) throw bad(field, "a file in base64");
  return served.senses->perceive(takes, {part.path_to(name), *std::move(bytes)});
}

ChatMessage read_content(std::string role, const Fields& message, const ServedModel& served) {
  ChatMessage read{std::move(role), {}, {}};
  const Json* content = message.find("content");
  const std::string path = message.path_to("content");
  // Answers that only called tools have none, and clients that leave out what is empty send none.
  if (!content && message.string("role") == "assistant") return read;
  if (content && content->is_string()) {
    read.content = content->get<std::string>();
    return read;
  }
  if (!content || !content->is_array()) throw bad_field(path, "a string or a list of parts");
  for (const Json& json : *content) {
    const Fields part(json, path + "[].");
    const std::string type = part.string("type").value_or("text");
    if (type == "image_url" || type == "input_audio") {
      read.media.push_back(read_media(part, type == "image_url" ? Takes::kPicture : Takes::kSound, served));
      read.content += kMediaMark;
      continue;
    }
    if (type != "text") throw unsupported_field(part.path_to("type"));
    const auto piece = part.string("text");
    if (!piece) throw bad_field(part.path_to("text"), "a string");
    read.content += host::plain_text(*piece);
  }
  return read;
}

std::vector<ChatMessage> read_messages(const Fields& fields, const ServedModel& served) {
  const Json* list = fields.find("messages");
  if (!list || !list->is_array() || list->empty()) throw bad_field(fields.path_to("messages"), "a list of messages");
  std::vector<ChatMessage> messages;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Fields message((*list)[i], fields.path_to("messages") + "[" + std::to_string(i) + "].");
    std::string role = message.string("role").value_or("user");
    if (role == "developer") role = "system";                 // the newer word for it
    if (role == "tool" || role == "function") role = "user";  // what was found out for the assistant
    if (role.empty() || role.find_first_of("\r\n:") != std::string::npos) {
      throw bad_field(message.path_to("role"), "system, developer, user, assistant, tool or another name of one line");
    }
    messages.push_back(read_content(std::move(role), message, served));
  }
  return messages;
}

std::vector<std::vector<ChatMessage>> read_conversations(RequestKind kind, const Fields& fields,
                                                         const ServedModel& served) {
  std::vector<std::vector<ChatMessage>> conversations;
  if (kind == RequestKind::kChat) {
    conversations.push_back(read_messages(fields, served));
    return conversations;
  }
  const Json* list = fields.find("conversations");
  if (!list || !list->is_array()) throw bad_field("conversations", "a list of objects with messages");
  for (std::size_t i = 0; i < list->size(); ++i) {
    conversations.push_back(read_messages(Fields((*list)[i], "conversations[" + std::to_string(i) + "]."), served));
  }
  return conversations;
}

std::vector<GenerationTask> read_chat_tasks(RequestKind kind, const Fields& fields, const ServedModel& served) {
  GenerationOptions options = read_options(fields, served.defaults);
  options.reasoning = fields.boolean("enable_reasoning").value_or(options.reasoning);
  if (const auto effort = fields.string("reasoning_effort"); effort && !fields.find("enable_reasoning")) {
    options.reasoning = *effort != "none" && *effort != "minimal";
  }
  options.force_reasoning = fields.boolean("force_reasoning").value_or(options.force_reasoning);
  const auto conversations = read_conversations(kind, fields, served);
  std::vector<ForcedLanguage> languages(conversations.size(), options.language);
  read_languages(fields, is_batch(kind), languages);
  std::vector<GenerationTask> tasks;
  for (std::size_t i = 0; i < conversations.size(); ++i) {
    options.language = languages[i];
    // An answer that the client has begun is continued.
    const bool begins_answer = conversations[i].back().role != "assistant";
    tasks.push_back(
        {served.model->chat_prompt(served.format, conversations[i], begins_answer, options.reasoning), options});
  }
  return tasks;
}

// Evaluation programs tokenise themselves.
Prompt token_prompt(const Json& ids, const char* name, const Vocabulary& vocabulary) {
  Prompt prompt;
  prompt.chat = false;
  for (const Json& id : ids) {
    const std::optional<std::int64_t> whole = whole_number(id);
    const bool is_known = whole && *whole >= 0 && *whole < static_cast<std::int64_t>(vocabulary.size()) &&
                          (*whole == kEndOfText || !vocabulary.bytes(static_cast<TokenId>(*whole)).empty());
    if (!is_known) throw bad_field(name, "of token ids that the model's vocabulary has");
    prompt.tokens.push_back(static_cast<TokenId>(*whole));
  }
  if (prompt.tokens.empty()) throw bad_field(name, "of at least one token");
  return prompt;
}

std::vector<GenerationTask> read_completion_tasks(RequestKind kind, const Fields& fields, const ServedModel& served) {
  GenerationOptions options = read_options(fields, served.defaults);
  options.stop_token = static_cast<TokenId>(fields.integer("stop_code", -1, kMaxInt).value_or(kEndOfText));
  const char* name = is_batch(kind) ? "prompts" : "prompt";
  const Json* json = fields.find(name);
  const auto bad = [&] {
    return bad_field(name, is_batch(kind) ? "a list of strings or of lists of token ids"
                                          : "a string, a list of token ids, or a list of such");
  };
  if (!json || !(json->is_array() || !is_batch(kind))) throw bad();
  const bool is_one = !json->is_array() || (!is_batch(kind) && !json->empty() && json->front().is_number());
  const Json list = is_one ? Json::array({*json}) : *json;
  if (list.empty()) throw bad();
  std::vector<GenerationTask> tasks;
  for (const Json& prompt : list) {
    if (prompt.is_array()) {
      tasks.push_back({token_prompt(prompt, name, served.model->tokenizer().vocabulary()), options});
    } else if (prompt.is_string()) {
      tasks.push_back({served.model->completion_prompt(prompt.get_ref<const std::string&>()), options});
    } else {
      throw bad();
    }
  }
  return tasks;
}

void check_batch_size(std::size_t size, const ModelInfo& info, const char* name) {
  std::string sizes;
  for (const int supported : info.batch_sizes) {
    if (static_cast<std::size_t>(supported) == size) return;
    sizes += (sizes.empty() ? "" : ", ") + std::to_string(supported);
  }
  throw bad_field(name, "of a supported size (" + sizes + ")");
}

}  // namespace

ApiRequest read_request(RequestKind kind, const Json& body, const ServedModel& model) {
  const Fields fields(body);
  refuse_what_is_not_built(fields);
  refuse_other_samplers(fields);
  ApiRequest request;
  request.kind = kind;
  request.stream = fields.boolean("stream").value_or(false);
  if (const Json* options = fields.find("stream_options")) {
    request.include_usage = Fields(*options, "stream_options.").boolean("include_usage").value_or(false);
  }
  request.answers_each = static_cast<std::size_t>(fields.integer("n", 1, kMostAnswers).value_or(1));

  std::vector<GenerationTask> tasks =
      is_chat(kind) ? read_chat_tasks(kind, fields, model) : read_completion_tasks(kind, fields, model);
  if (is_batch(kind)) {
    check_batch_size(tasks.size(), model.model->info(), is_chat(kind) ? "conversations" : "prompts");
  }
  if (tasks.size() * request.answers_each > host::kMostSlots) {
    throw bad_field("n", "so small that there are at most " + std::to_string(host::kMostSlots) + " answers");
  }
  for (const GenerationTask& task : tasks) {
    for (std::size_t i = 0; i < request.answers_each; ++i) {
      request.tasks.push_back(task);
      // Answers of one seed would all be the same.
      if (task.options.seed) request.tasks.back().options.seed = host::seed_of_answer(*task.options.seed, i);
    }
  }
  return request;
}

}  // namespace rwkv::server
