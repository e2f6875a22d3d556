#include "download.h"

#include "base/error.h"
#ifdef RWKV_HAS_LIBCURL
#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>

#include "base/log.h"
#include "part_file.h"

namespace rwkv::cli {
namespace {

constexpr int kAttemptsWithoutProgress = 5;
constexpr std::chrono::seconds kLongestWait{60};

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\"";
  const std::size_t begin = text.find_first_not_of(kBlank);
  return begin == std::string_view::npos ? "" : text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  return end.ec == std::errc() && end.ptr == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_this_machine(std::string_view url) {
  const std::string_view host = url.substr(std::string_view("http://").size());
  for (const std::string_view name : {"localhost", "127.0.0.1", "[::1]"}) {
    if (host.starts_with(name) &&
        (host.size() == name.size() || host[name.size()] == ':' || host[name.size()] == '/')) {
      return true;
    }
  }
  return false;
}

void check(const DownloadRequest& request) {
  const std::string url = lower(request.url);
  if (!request.sha256.empty() && !is_sha256(request.sha256)) {
    throw Error(ErrorCode::kInvalidArgument, "a SHA-256 has 64 hexadecimal digits, not '" + request.sha256 + "'");
  }
  if (url.starts_with("https://")) return;
  if (!url.starts_with("http://")) {
    throw Error(ErrorCode::kInvalidArgument, "'" + request.url + "' is no https address");
  }
  if (request.sha256.empty() && !is_this_machine(url)) {
    throw Error(ErrorCode::kInvalidArgument,
                "anybody on the way can alter what comes over http; use https or give --sha256");
  }
}

// The headers of one answer; those of a redirect before it that tell about the file itself stay.
struct Answer {
  std::string etag;
  std::string linked_sha256;  // what Hugging Face calls the file behind its redirect
  std::optional<std::uint64_t> linked_size;
  std::optional<std::uint64_t> range_begin;
  std::optional<std::uint64_t> range_total;
  std::optional<std::uint64_t> length;
  std::chrono::seconds retry_after{0};

  void read(std::string_view line) {
    if (line.starts_with("HTTP/")) {
      etag.clear();
      range_begin = range_total = length = std::nullopt;
      retry_after = std::chrono::seconds(0);
      return;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    const std::string name = lower(line.substr(0, colon));
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (name == "etag") {
      etag = value.starts_with("W/") ? "" : std::string(value);  // a weak one does not promise equal bytes
    } else if (name == "x-linked-etag" && is_sha256(value)) {
      linked_sha256 = value;
    } else if (name == "x-linked-size") {
      linked_size = number(value);
    } else if (name == "content-length") {
      length = number(value);
    } else if (name == "retry-after") {
      retry_after = std::min(std::chrono::seconds(number(value).value_or(0)), kLongestWait);
    } else if (name == "content-range") {
      read_range(value);
    }
  }

  // "bytes 100-199/1000", "bytes */1000"
  void read_range(std::string_view value) {
    if (!value.starts_with("bytes ")) return;
    value.remove_prefix(6);
    const std::size_t dash = value.find('-');
    const std::size_t slash = value.find('/');
    if (dash != std::string_view::npos) range_begin = number(value.substr(0, dash));
    if (slash != std::string_view::npos) range_total = number(value.substr(slash + 1));
  }
};

using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

class Download {
 public:
  Download(const DownloadRequest& request, const DownloadProgress& on_progress, const CancelToken& cancel)
      : request_(request), on_progress_(on_progress), cancel_(cancel), part_(request.path) {
    resumed_from_ = part_.size();
  }

  DownloadResult run() {
    int fruitless = 0;
    while (true) {
      cancel_.check();
      const std::uint64_t before = part_.size();
      if (attempt()) break;
      fruitless = part_.size() > before ? 0 : fruitless + 1;
      if (fruitless >= kAttemptsWithoutProgress)
        throw Error(ErrorCode::kIo, last_problem_ + "; what came so far is kept, run it again to go on");
      log::info("download: " + last_problem_ + ", trying again");
      wait(std::max<std::chrono::milliseconds>(answer_.retry_after, std::chrono::milliseconds(250 << fruitless)));
    }
    return finish();
  }

 private:
  // False where another attempt may help.
  bool attempt() {
    // Bytes of which nobody can say that they are the beginning of the same file are worth nothing.
    if (part_.size() > 0 && part_.etag().empty() && request_.sha256.empty()) part_.clear();
    if (part_.size() == 0) resumed_from_ = 0;
    part_.hash_existing([this] { cancel_.check(); });

    const Handle curl(curl_easy_init(), curl_easy_cleanup);
    if (!curl) throw Error(ErrorCode::kOutOfMemory, "out of memory before downloading");
    Headers headers(nullptr, curl_slist_free_all);
    set_up(curl.get(), headers);
    in_flight_ = curl.get();
    started_ = false;
    thrown_ = nullptr;
    answer_ = Answer{};
    char details[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, details);
    const CURLcode code = curl_easy_perform(curl.get());
    if (thrown_) std::rethrow_exception(thrown_);
    cancel_.check();
    long status = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status >= 200 && status < 300) return body_ended();
    if (code == CURLE_OK) return refused(status);
    return connection_failed(code, *details ? details : curl_easy_strerror(code));
  }

  void set_up(CURL* curl, Headers& headers) {
    const bool secure = lower(request_.url).starts_with("https://");
    curl_easy_setopt(curl, CURLOPT_URL, request_.url.c_str());
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "rwkv/" RWKV_VERSION);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(request_.patience.count()));
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request_.patience.count()));
    if (part_.size() > 0) {
      curl_easy_setopt(curl, CURLOPT_RANGE, (std::to_string(part_.size()) + "-").c_str());
      if (!part_.etag().empty()) {
        headers.reset(curl_slist_append(nullptr, ("If-Range: \"" + part_.etag() + "\"").c_str()));
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
      }
    }
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &Download::on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Download::on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Download::on_tick);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, this);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  }

  static std::size_t on_header(char* line, std::size_t, std::size_t bytes, void* self) {
    static_cast<Download*>(self)->answer_.read({line, bytes});
    return bytes;
  }

  // Exceptions wait here until the library has returned.
  static std::size_t on_body(char* data, std::size_t, std::size_t bytes, void* self) {
    auto& download = *static_cast<Download*>(self);
    try {
      download.take(std::as_bytes(std::span(data, bytes)));
      return bytes;
    } catch (...) {
      download.thrown_ = std::current_exception();
      return bytes + 1;
    }
  }

  static int on_tick(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Download*>(self)->cancel_.cancelled() ? 1 : 0;
  }

  void take(std::span<const std::byte> bytes) {
    if (!started_) {
      started_ = true;
      long status = 0;
      curl_easy_getinfo(in_flight_, CURLINFO_RESPONSE_CODE, &status);
      takes_body_ = status >= 200 && status < 300;
      if (takes_body_) body_begins(status);
    }
    if (!takes_body_) return;  // a page that says what is wrong
    if (total_ && part_.size() + bytes.size() > *total_) {
      part_.discard();
      throw Error(ErrorCode::kBadFile,
                  "the server sends more than the " + std::to_string(*total_) + " bytes it announced");
    }
    part_.append(bytes);
    if (on_progress_) on_progress_(part_.size(), total_.value_or(0));
  }

  void body_begins(long status) {
    const bool goes_on = status == 206 && answer_.range_begin == part_.size();
    if (status == 206 && !goes_on) {
      throw Error(ErrorCode::kIo, "the server answered with another part of the file than was asked for");
    }
    if (!goes_on) {
      part_.clear();
      resumed_from_ = 0;
    }
    if (!answer_.etag.empty() || !goes_on) part_.set_etag(answer_.etag);
    total_ = goes_on ? answer_.range_total : answer_.length;
    if (!total_) total_ = answer_.linked_size;
    if (answer_.linked_size && total_ != answer_.linked_size) {
      throw Error(ErrorCode::kIo, "the server announces " + std::to_string(*total_) + " bytes, the file has " +
                                      std::to_string(*answer_.linked_size) +
                                      "; try again later or use a mirror (HF_ENDPOINT)");
    }
    if (!answer_.linked_sha256.empty()) linked_sha256_ = answer_.linked_sha256;
    if (!total_) return;
    const std::uint64_t free = part_.free_disk_bytes();
    if (*total_ - std::min(*total_, part_.size()) > free) {
      throw Error(ErrorCode::kIo, "the file needs " + std::to_string(*total_ - part_.size()) + " more bytes, " +
                                      std::to_string(free) + " are free at '" + request_.path + "'");
    }
  }

  bool body_ended() {
    if (!started_) body_begins_without_bytes();
    if (total_ && part_.size() < *total_) {
      last_problem_ =
          "the connection ended after " + std::to_string(part_.size()) + " of " + std::to_string(*total_) + " bytes";
      return false;
    }
    return true;
  }

  void body_begins_without_bytes() {
    part_.clear();
    total_ = answer_.length;
  }

  bool refused(long status) {
    const std::string what = "the server answered " + std::to_string(status) + " for '" + request_.url + "'";
    if (status == 416) {
      // Nothing lies behind what is there: it is whole, or the file has changed.
      if (answer_.range_total && *answer_.range_total == part_.size() && part_.size() > 0) {
        total_ = part_.size();
        return true;
      }
      if (part_.size() == 0) throw Error(ErrorCode::kIo, what);
      part_.clear();
      last_problem_ = what;
      return false;
    }
    if (status == 429 || status == 408 || status >= 500) {
      last_problem_ = what + " (busy)";
      return false;
    }
    if (status == 404 || status == 410)
      throw Error(ErrorCode::kNotFound, what + ": check the address, or `rwkv pull --list` for names");
    if (status == 401 || status == 403) throw Error(ErrorCode::kIo, what + ": the file is not public");
    throw Error(ErrorCode::kIo, what);
  }

  bool connection_failed(CURLcode code, const std::string& details) {
    last_problem_ = "'" + request_.url + "': " + details;
    switch (code) {
      case CURLE_COULDNT_RESOLVE_PROXY:
      case CURLE_COULDNT_RESOLVE_HOST:
      case CURLE_COULDNT_CONNECT:
        // In the middle of a file the network may come back.
        if (part_.size() > resumed_from_) return false;
        throw Error(ErrorCode::kIo, last_problem_ +
                                        ". Is this machine online? A proxy is taken from https_proxy, a mirror of "
                                        "huggingface.co from HF_ENDPOINT");
      case CURLE_PARTIAL_FILE:
      case CURLE_RECV_ERROR:
      case CURLE_SEND_ERROR:
      case CURLE_GOT_NOTHING:
      case CURLE_OPERATION_TIMEDOUT:
      case CURLE_HTTP2:
      case CURLE_HTTP2_STREAM: return false;
      default: throw Error(ErrorCode::kIo, last_problem_);
    }
  }

  void wait(std::chrono::milliseconds time) const {
    const auto until = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < until) {
      cancel_.check();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  DownloadResult finish() {
    DownloadResult result;
    result.bytes = part_.size();
    result.resumed_from = resumed_from_;
    result.sha256 = part_.sha256();
    const std::string& expected = request_.sha256.empty() ? linked_sha256_ : request_.sha256;
    result.verified = !expected.empty();
    if (result.verified && result.sha256 != expected) {
      part_.discard();
      throw Error(ErrorCode::kBadFile, "what came from '" + request_.url + "' has the SHA-256 " + result.sha256 +
                                           ", not " + expected + "; it was thrown away");
    }
    part_.finish();
    return result;
  }

  const DownloadRequest& request_;
  const DownloadProgress& on_progress_;
  const CancelToken cancel_;
  PartFile part_;
  CURL* in_flight_ = nullptr;
  Answer answer_;
  std::exception_ptr thrown_;
  std::string last_problem_;
  std::string linked_sha256_;
  std::optional<std::uint64_t> total_;
  std::uint64_t resumed_from_ = 0;
  bool started_ = false;
  bool takes_body_ = false;
};

}  // namespace

DownloadResult download(const DownloadRequest& request, const DownloadProgress& on_progress,
                        const CancelToken& cancel) {
  check(request);
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready != CURLE_OK) throw Error(ErrorCode::kInternal, "libcurl does not start");
  return Download(request, on_progress, cancel).run();
}

}  // namespace rwkv::cli
#else
namespace rwkv::cli {

DownloadResult download(const DownloadRequest&, const DownloadProgress&, const CancelToken&) {
  throw Error(ErrorCode::kUnsupported, "this build has no downloader: it was made without libcurl");
}

}  // namespace rwkv::cli
#endif
