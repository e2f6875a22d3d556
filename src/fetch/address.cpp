#include "fetch/address.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <optional>

#include "base/error.h"
#include "base/utf8_path.h"
#include "fetch/http_answer.h"

namespace rwkv::fetch {
namespace {

constexpr std::string_view kHub = "huggingface.co";

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string endpoint_host() { return host_of(whole_address(variable("HF_ENDPOINT"))); }

std::string_view path_of(std::string_view url) {
  url.remove_prefix(std::min(url.size(), url.find("://") + 3));
  url = url.substr(0, url.find_first_of("?#"));
  return url.find('/') == std::string_view::npos ? "" : url.substr(url.find('/') + 1);
}

std::optional<int> hexadecimal(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return c >= 'a' && c <= 'f' ? std::optional(c - 'a' + 10) : std::nullopt;
}

std::string without_escapes(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto high = text[i] == '%' && i + 2 < text.size() ? hexadecimal(text[i + 1]) : std::nullopt;
    const auto low = high ? hexadecimal(text[i + 2]) : std::nullopt;
    result += low ? static_cast<char>(*high * 16 + *low) : text[i];
    if (low) i += 2;
  }
  return result;
}

// Where huggingface_hub looks.
std::string token_file() {
  if (const std::string path = variable("HF_TOKEN_PATH"); !path.empty()) return path;
  if (const std::string home = variable("HF_HOME"); !home.empty()) return home + "/token";
  if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty()) return cache + "/huggingface/token";
#ifdef _WIN32
  const std::string home = variable("USERPROFILE");
#else
  const std::string home = variable("HOME");
#endif
  return home.empty() ? "" : home + "/.cache/huggingface/token";
}

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace

std::string host_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return "";
  url.remove_prefix(scheme + 3);
  std::string host = lower(url.substr(0, url.find_first_of("/?#")));
  constexpr std::string_view kOfHosts = "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]";
  return host.find_first_not_of(kOfHosts) == std::string::npos ? host : "";
}

bool is_this_machine(std::string_view url) {
  const std::string host = host_of(url);
  for (const std::string_view name : {"localhost", "127.0.0.1", "[::1]"}) {
    if (host == name || (host.starts_with(name) && host[name.size()] == ':')) return true;
  }
  return false;
}

std::string whole_address(const std::string& text) {
  std::string url;
  for (const char c : trimmed(text)) url += c == ' ' ? "%20" : std::string(1, c);  // as browsers do
  if (url.find("://") == std::string::npos) {
    const std::string guess = "https://" + url;
    const std::string host = host_of(guess);
    if (is_this_machine(guess)) {
      url = "http://" + url;
    } else if (host.find('.') != std::string::npos && url.find('/') != std::string::npos && url[0] != '.') {
      url = guess;
    } else {
      return "";
    }
  }
  const std::string host = host_of(url);
  if (host != kHub && host != "www.huggingface.co" && host != "hf.co") return url;
  std::string rest(url.substr(std::min(url.size(), url.find('/', url.find("://") + 3))));
  url = "https://" + std::string(kHub) + rest;
  const std::string_view path = path_of(url);
  const auto slashes = std::count(path.begin(), path.end(), '/');
  const std::size_t of_repository = path.find('/', path.find('/') + 1);
  const bool is_list = slashes >= 2 && path.substr(of_repository).starts_with("/tree/");
  if (!path.empty() && (slashes <= 1 || path.ends_with('/') || is_list)) {
    throw Error(ErrorCode::kInvalidArgument, "'" + text +
                                                 "' is a repository, not a file; name one of its files: https://" +
                                                 std::string(kHub) + "/USER/REPOSITORY/resolve/main/FILE");
  }
  // user/repository/blob/revision/file shows a page about the file
  const std::size_t name = url.find('/', url.find('/', std::string("https://").size() + kHub.size() + 1) + 1);
  if (url.compare(name, 6, "/blob/") == 0) url.replace(name, 6, "/resolve/");
  return url;
}

std::string file_name_in(const std::string& url) {
  std::string name = url.substr(0, url.find_first_of("?#"));
  name = without_escapes(std::string_view(name).substr(name.rfind('/') + 1));
  const auto cannot_be = [](unsigned char c) {
#ifdef _WIN32
    if (c == ':') return true;
#endif
    return c < 0x20 || c == 0x7f || c == '/' || c == '\\';
  };
  if (name.empty() || name == "." || name == ".." || std::any_of(name.begin(), name.end(), cannot_be)) {
    throw Error(ErrorCode::kInvalidArgument, "'" + url + "' does not end in a file name; give one with -o");
  }
  return name;
}

std::string hub_token(const std::string& url) {
  const std::string host = host_of(url);
  const bool here = is_this_machine(url);
  if (host.empty() || (!here && !lower(url).starts_with("https://"))) return "";
  const bool hub = host == kHub || host == endpoint_host();
  if (!hub && !here) return "";
  std::string token = trimmed(variable("HF_TOKEN"));
  if (token.empty() && hub) {
    std::ifstream file(path_from_utf8(token_file()));
    std::getline(file, token);
    token = trimmed(token);
  }
  if (std::any_of(token.begin(), token.end(), [](unsigned char c) { return c <= 0x20 || c >= 0x7f; })) {
    throw Error(ErrorCode::kInvalidArgument, "the token in HF_TOKEN or its file has characters that no token has");
  }
  return token;
}

std::string how_to_be_let_in(const std::string& url, bool token_was_sent) {
  const std::string host = host_of(url);
  if (host != kHub && host != endpoint_host() && !is_this_machine(url)) {
    return "the file is not public; a token is sent only to " + std::string(kHub) + " and HF_ENDPOINT";
  }
  if (token_was_sent) {
    return "the token that was sent (HF_TOKEN) does not open it: accept the model's terms on its page with the token's "
           "account, and let the token read gated repositories";
  }
  return "the file is gated or private: accept the model's terms on its page, make a token at "
         "https://huggingface.co/settings/tokens and put it into HF_TOKEN";
}

}  // namespace rwkv::fetch
