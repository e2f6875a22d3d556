#include "text/json_vocabulary.h"

#include <charconv>
#include <nlohmann/json.hpp>

namespace rwkv {
namespace {

/// Takes the JSON piece by piece; every member returns whether to go on, as nlohmann's parser wants it.
class Handler {
 public:
  using Json = nlohmann::json;

  explicit Handler(const std::function<std::string(std::uint64_t, std::string_view)>& token) : token_(token) {}

  bool null() { return refuse("is null"); }
  bool boolean(bool) { return refuse("is a truth value"); }
  bool number_integer(Json::number_integer_t) { return refuse("holds a number that is no byte"); }
  bool number_float(Json::number_float_t, const std::string&) { return refuse("holds a number that is no byte"); }
  bool binary(Json::binary_t&) { return refuse("is binary data"); }

  bool number_unsigned(Json::number_unsigned_t value) {
    if (!in_list_ || value > 255) return refuse("holds a number that is no byte");
    bytes_ += static_cast<char>(value);
    return true;
  }
  bool string(std::string& value) { return in_list_ ? refuse("holds a text in a list") : finish(value); }
  bool start_object(std::size_t) {
    if (in_object_) return refuse("is an object");
    in_object_ = true;
    return true;
  }
  bool end_object() { return true; }
  bool key(std::string& value) {
    key_ = value;
    const char* end = key_.data() + key_.size();
    const auto [stop, error] = std::from_chars(key_.data(), end, id_);
    if (key_.empty() || stop != end || error != std::errc()) return refuse("is not a decimal id");
    return true;
  }
  bool start_array(std::size_t) {
    if (!in_object_ || in_list_) return refuse("holds a list in a list");
    in_list_ = true;
    bytes_.clear();
    return true;
  }
  bool end_array() {
    in_list_ = false;
    return finish(bytes_);
  }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) {
    if (problem.empty()) problem = "it is not JSON, at byte " + std::to_string(position);
    return false;
  }

  std::string problem;

 private:
  bool refuse(const std::string& what) {
    problem = "'" + key_.substr(0, 32) + "' " + what;
    return false;
  }
  bool finish(std::string_view bytes) {
    if (!in_object_) return refuse("is no object of tokens");
    if (const std::string wrong = token_(id_, bytes); !wrong.empty()) {
      problem = "'" + key_.substr(0, 32) + "': " + wrong;
      return false;
    }
    return true;
  }

  const std::function<std::string(std::uint64_t, std::string_view)>& token_;
  bool in_object_ = false;
  bool in_list_ = false;
  std::string key_;
  std::uint64_t id_ = 0;
  std::string bytes_;
};

}  // namespace

std::string read_json_vocabulary(std::string_view json,
                                 const std::function<std::string(std::uint64_t id, std::string_view bytes)>& token) {
  Handler handler(token);
  nlohmann::json::sax_parse(json.begin(), json.end(), &handler);
  return handler.problem;
}

}  // namespace rwkv
