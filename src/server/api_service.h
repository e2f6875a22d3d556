// What the routes do, without HTTP.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/exchange.h"
#include "server/served_model.h"

namespace rwkv::server {

/// May be used from any thread. Methods throw ApiError and Error. An empty model name stands for the first model.
class ApiService {
 public:
  /// Throws Error(kInvalidArgument) for no models, or two of one name. With `any_model_name` a name that is not known
  /// stands for the first model too.
  ApiService(std::vector<ServedModel> models, bool any_model_name);

  OrderedJson models() const;
  OrderedJson model(const std::string& name) const;
  OrderedJson batch_sizes(const std::string& model_name) const;
  OrderedJson roles(const std::string& model_name) const;
  /// For all later requests. Answers like roles().
  OrderedJson set_roles(std::string_view body);

  /// Reads the request and starts to generate.
  std::unique_ptr<Exchange> generate(RequestKind kind, std::string_view body);

 private:
  struct Entry {
    ServedModel served;
    mutable std::mutex format_mutex;
  };

  Entry& find(const std::string& name) const;
  OrderedJson describe(const Entry& entry) const;

  std::vector<std::unique_ptr<Entry>> entries_;
  const bool any_model_name_;
  const std::int64_t created_;
  std::atomic<std::uint64_t> answers_{0};
};

}  // namespace rwkv::server
