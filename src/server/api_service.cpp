#include "server/api_service.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/json_message.h"
#include "server/fields.h"

namespace rwkv::server {
namespace {

std::int64_t unix_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

std::string model_name_in(const Json& body) { return Fields(body).string("model").value_or(""); }

}  // namespace

ApiService::ApiService(std::vector<ServedModel> models, bool any_model_name)
    : any_model_name_(any_model_name), created_(unix_seconds()) {
  if (models.empty()) throw Error(ErrorCode::kInvalidArgument, "there is nothing to serve: no model was given");
  for (ServedModel& model : models) {
    const bool is_taken = std::any_of(entries_.begin(), entries_.end(),
                                      [&](const auto& entry) { return entry->served.name == model.name; });
    if (is_taken) {
      throw Error(ErrorCode::kInvalidArgument, "two models are called '" + model.name + "'; give each its own name");
    }
    entries_.push_back(std::make_unique<Entry>());
    entries_.back()->served = std::move(model);
  }
}

ApiService::Entry& ApiService::find(const std::string& name) const {
  for (const auto& entry : entries_) {
    if (entry->served.name == name) return *entry;
  }
  if (name.empty() || any_model_name_) return *entries_.front();
  throw ApiError(404, ErrorCode::kNotFound, "there is no model '" + name + "'; GET /v1/models lists those there are",
                 "model");
}

OrderedJson ApiService::describe(const Entry& entry) const {
  return {{"id", entry.served.name}, {"object", "model"}, {"created", created_}, {"owned_by", "rwkv"}};
}

OrderedJson ApiService::models() const {
  OrderedJson list{{"object", "list"}, {"data", OrderedJson::array()}};
  for (const auto& entry : entries_) list["data"].push_back(describe(*entry));
  return list;
}

OrderedJson ApiService::model(const std::string& name) const { return describe(find(name)); }

OrderedJson ApiService::batch_sizes(const std::string& model_name) const {
  const ServedModel& served = find(model_name).served;
  return {{"supported_batch_sizes", served.model->info().batch_sizes}, {"model", served.name}};
}

OrderedJson ApiService::roles(const std::string& model_name) const {
  const Entry& entry = find(model_name);
  const std::lock_guard lock(entry.format_mutex);
  const ChatFormat& format = entry.served.format;
  return {{"user_role", format.user_role}, {"assistant_role", format.response_role}, {"model", entry.served.name}};
}

OrderedJson ApiService::set_roles(std::string_view body) {
  const Json json = parse_message(body);
  const Fields fields(json);
  Entry& entry = find(model_name_in(json));
  const auto user = fields.string("user_role");
  const auto assistant = fields.string("assistant_role");
  {
    const std::lock_guard lock(entry.format_mutex);
    if (user) entry.served.format.user_role = *user;
    if (assistant) entry.served.format.response_role = *assistant;
  }
  return roles(entry.served.name);
}

std::unique_ptr<Exchange> ApiService::generate(RequestKind kind, std::string_view body) {
  const Json json = parse_message(body);
  Entry& entry = find(model_name_in(json));
  ServedModel served;
  {
    const std::lock_guard lock(entry.format_mutex);
    served = entry.served;
  }
  ApiRequest request = read_request(kind, json, served);
  ApiAnswer answer(kind, served.name, unix_seconds(), ++answers_, served.separates_thoughts);
  return std::make_unique<Exchange>(*served.model, std::move(request), std::move(answer));
}

}  // namespace rwkv::server
