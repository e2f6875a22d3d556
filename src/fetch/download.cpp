#include "fetch/download.h"

#include "base/error.h"
#if __has_include(<curl/curl.h>)
#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>

#include "base/log.h"
#include "base/utf8_path.h"
#include "fetch/address.h"
#include "fetch/curl_library.h"
#include "fetch/http_answer.h"
#include "fetch/part_file.h"
#include "fetch/whole_file.h"
#include "formats/file_kind.h"

namespace rwkv::fetch {
namespace {

constexpr int kAttemptsWithoutProgress = 5;
constexpr int kMostBeginnings = 5;

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
                "anybody on the way can alter what comes over http; use https or give the SHA-256");
  }
}

// What servers send instead of a file, with a status that says all is well; empty for what may be the file.
std::string what_came_instead(std::string_view beginning) {
  switch (file_kind(std::as_bytes(std::span(beginning)))) {
    case FileKind::kPage: return "a web page (HTML or XML)";
    case FileKind::kServerError: return "an error message in JSON";
    case FileKind::kLfsPointer: return "a Git LFS pointer";
    default: return "";
  }
}

using Handle = std::unique_ptr<CURL, decltype(&::curl_easy_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&::curl_slist_free_all)>;

class Download {
 public:
  Download(const DownloadRequest& request, const DownloadProgress& on_progress, const CancelToken& cancel)
      : request_(request), on_progress_(on_progress), cancel_(cancel), curl_(curl_library()), part_(request.path) {
    resumed_from_ = part_.size();
  }

  DownloadResult run() {
    int fruitless = 0;
    while (true) {
      cancel_.check();
      const std::uint64_t before = part_.size();
      if (attempt()) break;
      fruitless = part_.size() > before ? 0 : fruitless + 1;
      if (beginnings_ >= kMostBeginnings) {
        throw Error(ErrorCode::kIo,
                    "'" + request_.url + "' is another file each time it is asked for; try again later");
      }
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
    if (part_.size() > 0 && !part_.version().can_be_told() && request_.sha256.empty()) part_.clear();
    if (part_.size() == 0) resumed_from_ = 0;
    asked_from_ = part_.size();
    part_.hash_existing([this] { cancel_.check(); });

    const Handle curl(curl_.easy_init(), curl_.easy_cleanup);
    if (!curl) throw Error(ErrorCode::kOutOfMemory, "out of memory before downloading");
    Headers headers(nullptr, curl_.slist_free_all);
    set_up(curl.get(), headers);
    in_flight_ = curl.get();
    started_ = false;
    begins_anew_ = false;
    thrown_ = nullptr;
    answer_ = HttpAnswer{};
    char details[CURL_ERROR_SIZE] = "";
    curl_.easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, details);
    const CURLcode code = perform(curl.get());
    if (thrown_) std::rethrow_exception(thrown_);
    cancel_.check();
    if (begins_anew_) return false;
    long status = 0;
    curl_.easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status >= 200 && status < 300) return body_ended();
    if (code == CURLE_OK) return refused(status);
    return connection_failed(code, *details ? details : curl_.easy_strerror(code));
  }

  // Looks at the token twenty times a second, whatever the network does.
  CURLcode perform(CURL* curl) const {
    const CurlCall call;
    const std::unique_ptr<CURLM, decltype(&::curl_multi_cleanup)> multi(curl_.multi_init(), curl_.multi_cleanup);
    if (!multi || curl_.multi_add_handle(multi.get(), curl) != CURLM_OK) return CURLE_OUT_OF_MEMORY;
    CURLcode code = CURLE_ABORTED_BY_CALLBACK;
    int running = 1;
    while (!cancel_.cancelled() && !CurlCall::must_end()) {
      if (curl_.multi_perform(multi.get(), &running) != CURLM_OK) break;
      if (running == 0) {
        int left = 0;
        if (const CURLMsg* end = curl_.multi_info_read(multi.get(), &left)) code = end->data.result;
        break;
      }
      if (curl_.multi_poll(multi.get(), nullptr, 0, 50, nullptr) != CURLM_OK) break;
    }
    curl_.multi_remove_handle(multi.get(), curl);
    return code;
  }

  void set_up(CURL* curl, Headers& headers) {
    const bool secure = lower(request_.url).starts_with("https://");
    curl_.easy_setopt(curl, CURLOPT_URL, request_.url.c_str());
    curl_.easy_setopt(curl, CURLOPT_USERAGENT, "rwkv/" RWKV_VERSION);
    curl_.easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_.easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_.easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
    curl_.easy_setopt(curl, CURLOPT_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_.easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_.easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(request_.patience.count()));
    curl_.easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_.easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request_.patience.count()));
    // Asks for the file as it is; what comes packed all the same is unpacked.
    curl_.easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "identity");
    if (!request_.token.empty()) {
      // Not to other hosts or ports that the server redirects to.
      curl_.easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
      curl_.easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, request_.token.c_str());
    }
    if (asked_from_ > 0) {
      curl_.easy_setopt(curl, CURLOPT_RANGE, (std::to_string(asked_from_) + "-").c_str());
      if (const std::string version = part_.version().if_range(); !version.empty()) {
        headers.reset(curl_.slist_append(nullptr, ("If-Range: " + version).c_str()));
        curl_.easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
      }
    }
    curl_.easy_setopt(curl, CURLOPT_HEADERFUNCTION, &Download::on_header);
    curl_.easy_setopt(curl, CURLOPT_HEADERDATA, this);
    curl_.easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Download::on_body);
    curl_.easy_setopt(curl, CURLOPT_WRITEDATA, this);
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_.easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);  // a name server that does not answer is not waited for
#endif
  }

  static std::size_t on_header(char* line, std::size_t, std::size_t bytes, void* self) {
    static_cast<Download*>(self)->answer_.read({line, bytes});
    return bytes;
  }

  // Exceptions wait here until the library has returned.
  static std::size_t on_body(char* data, std::size_t, std::size_t bytes, void* self) {
    auto& download = *static_cast<Download*>(self);
    try {
      return download.take({data, bytes}) ? bytes : bytes + 1;
    } catch (...) {
      download.thrown_ = std::current_exception();
      return bytes + 1;
    }
  }

  // False: what comes is of no use, the file is to be asked for from its beginning.
  bool take(std::string_view bytes) {
    if (!started_) {
      started_ = true;
      long status = 0;
      curl_.easy_getinfo(in_flight_, CURLINFO_RESPONSE_CODE, &status);
      takes_body_ = status >= 200 && status < 300;
      if (takes_body_) body_begins(status, bytes);
      if (begins_anew_) return false;
    }
    if (!takes_body_) return true;  // a page that says what is wrong
    if (total_ && part_.size() + bytes.size() > *total_) {
      part_.discard();
      throw Error(ErrorCode::kBadFile,
                  "the server sends more than the " + std::to_string(*total_) + " bytes it announced");
    }
    part_.append(std::as_bytes(std::span(bytes)));
    if (on_progress_) on_progress_(part_.size(), total_.value_or(0));
    return true;
  }

  void body_begins(long status, std::string_view bytes) {
    const bool is_part = status == 206 || answer_.has_range;
    if (is_part && asked_from_ > 0) {
      if (!goes_on()) return begin_anew("the server answered with a part of another version of the file");
    } else {
      // Nothing that an earlier run left is given up for a page that says "log in".
      if (const std::string instead = what_came_instead(bytes); !instead.empty()) not_the_file(instead);
      if (is_part && (status == 206 || answer_.range_begin != 0)) {
        throw Error(ErrorCode::kIo, "the server answered with another part of the file than was asked for");
      }
      part_.clear();
      resumed_from_ = 0;
      part_.set_version(answer_.version());
    }
    total_ = answer_.total();
    if (!total_) total_ = part_.version().total;
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

  // Whether the part that comes is the rest of what is there. A digest that is known finds out what a version does not.
  bool goes_on() const {
    if (answer_.packed || answer_.range_begin != asked_from_) return false;
    const FileVersion given = answer_.version();
    if (part_.version().can_be_told()) return part_.version().is_same(given);
    return !request_.sha256.empty() && (!part_.version().total || !given.total || part_.version().total == given.total);
  }

  void begin_anew(const std::string& why) {
    last_problem_ = why;
    begins_anew_ = true;
    ++beginnings_;
    part_.clear();
  }

  [[noreturn]] void not_the_file(const std::string& what) const {
    std::string advice = "; check the address, in a browser it may ask to log in";
    if (request_.url.find("/blob/") != std::string::npos) advice = "; the file itself has /resolve/ instead of /blob/";
    if (request_.url.find("/raw/") != std::string::npos) advice = "; the file itself has /resolve/ instead of /raw/";
    throw Error(ErrorCode::kBadFile, "'" + request_.url + "' gives " + what + " instead of a file" + advice);
  }

  bool body_ended() {
    if (!started_) not_the_file("nothing");
    if (total_ && part_.size() < *total_) {
      last_problem_ =
          "the connection ended after " + std::to_string(part_.size()) + " of " + std::to_string(*total_) + " bytes";
      return false;
    }
    return true;
  }

  bool refused(long status) {
    const std::string what = "the server answered " + std::to_string(status) + " for '" + request_.url + "'";
    if (status == 416 && part_.size() > 0) {
      // Nothing lies behind what is there: it is whole, or the file has changed.
      const FileVersion& kept = part_.version();
      if (answer_.range_total == part_.size() && kept.total.value_or(part_.size()) == part_.size() &&
          (answer_.etag.empty() || answer_.etag == kept.etag)) {
        total_ = part_.size();
        return true;
      }
      begin_anew(what);
      return false;
    }
    if (status == 429 || status == 408 || status >= 500) {
      last_problem_ = what + " (busy)";
      return false;
    }
    if (status == 404 || status == 410) throw Error(ErrorCode::kNotFound, what + ": check the address");
    if (status == 401 || status == 403) {
      throw Error(ErrorCode::kIo, what + ": " + how_to_be_let_in(request_.url, !request_.token.empty()));
    }
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
    if (result.verified && result.sha256 == expected) {
      part_.finish();
      return result;
    }
    const std::string instead = what_came_instead(part_.beginning(kKindLooksAt));
    const bool may_be_cut = !answer_.shows_its_end && !total_;
    const bool whole = !may_be_cut || is_whole_by_its_header(utf8_from_path(part_.path()));
    if (result.verified || !instead.empty() || !whole) part_.discard();
    if (!instead.empty()) not_the_file(instead);
    if (result.verified) {
      throw Error(ErrorCode::kBadFile, "what came from '" + request_.url + "' has the SHA-256 " + result.sha256 +
                                           ", not " + expected + "; it was thrown away");
    }
    if (!whole) {
      throw Error(ErrorCode::kBadFile, "'" + request_.url +
                                           "' says neither how long the file is nor where it ends, and what came does "
                                           "not look whole; it was thrown away. Try again, or give --sha256");
    }
    part_.finish();
    return result;
  }

  const DownloadRequest& request_;
  const DownloadProgress& on_progress_;
  const CancelToken cancel_;
  const CurlLibrary& curl_;
  PartFile part_;
  CURL* in_flight_ = nullptr;
  HttpAnswer answer_;
  std::exception_ptr thrown_;
  std::string last_problem_;
  std::string linked_sha256_;
  std::optional<std::uint64_t> total_;
  std::uint64_t resumed_from_ = 0;
  std::uint64_t asked_from_ = 0;
  int beginnings_ = 0;
  bool begins_anew_ = false;
  bool started_ = false;
  bool takes_body_ = false;
};

}  // namespace

DownloadResult download(const DownloadRequest& request, const DownloadProgress& on_progress,
                        const CancelToken& cancel) {
  check(request);
  return Download(request, on_progress, cancel).run();
}

}  // namespace rwkv::fetch
#else
namespace rwkv::fetch {

DownloadResult download(const DownloadRequest&, const DownloadProgress&, const CancelToken&) {
  throw Error(ErrorCode::kUnsupported, "this build has no downloader: it was made without the headers of libcurl");
}

}  // namespace rwkv::fetch
#endif
