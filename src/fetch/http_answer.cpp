#include "fetch/http_answer.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <ctime>

namespace rwkv::fetch {
namespace {

constexpr std::chrono::seconds kLongestWait{60};
// A second that is not over can bring another version with the same date; clocks of a server's parts may differ.
constexpr std::time_t kOldEnough = 60;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  return begin == std::string_view::npos ? "" : text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::string_view unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return text;
  return text.substr(1, text.size() - 2);
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  return end.ec == std::errc() && end.ptr == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// Of a date as servers send them today (RFC 9110 5.6.7), "Mon, 02 Jan 2023 03:04:05 GMT"; -1 for what is none.
std::time_t time_of(const std::string& date) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  int day = 0, year = 0, hour = 0, minute = 0, second = 0;
  char name[4] = "";
  char zone[4] = "";
  // NOLINTNEXTLINE(bugprone-unchecked-string-to-number-conversion): of so few digits each is a number.
  if (std::sscanf(date.c_str(), "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d %3[A-Z]", &day, name, &year, &hour,
                  &minute, &second, zone) != 7) {
    return -1;
  }
  const std::size_t month = kMonths.find(name);
  const std::chrono::year_month_day ymd{std::chrono::year(year),
                                        std::chrono::month(static_cast<unsigned>(month / 3 + 1)),
                                        std::chrono::day(static_cast<unsigned>(day))};
  if (month == std::string_view::npos || month % 3 != 0 || std::string_view(zone) != "GMT" || !ymd.ok()) return -1;
  const std::chrono::sys_seconds time = std::chrono::sys_days(ymd) + std::chrono::hours(hour) +
                                        std::chrono::minutes(minute) + std::chrono::seconds(second);
  return std::chrono::system_clock::to_time_t(time);
}

}  // namespace

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

void HttpAnswer::read(std::string_view line) {
  if (line.starts_with("HTTP/")) {
    const HttpAnswer before = std::move(*this);
    *this = HttpAnswer{};
    linked_sha256 = before.linked_sha256;
    linked_size = before.linked_size;
    shows_its_end = !line.starts_with("HTTP/1");
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string name = lower(line.substr(0, colon));
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (name == "etag") {
    etag = unquoted(value);
  } else if (name == "last-modified") {
    modified = value;
  } else if (name == "date") {
    date_ = value;
  } else if (name == "x-linked-etag" && is_sha256(unquoted(value))) {
    linked_sha256 = unquoted(value);
  } else if (name == "x-linked-size") {
    linked_size = number(value);
  } else if (name == "content-length") {
    length = number(value);
    shows_its_end = true;
  } else if (name == "transfer-encoding") {
    shows_its_end = true;
  } else if (name == "content-encoding") {
    packed = !value.empty() && lower(value) != "identity";
  } else if (name == "retry-after") {
    retry_after = std::min(std::chrono::seconds(number(value).value_or(0)), kLongestWait);
  } else if (name == "content-range") {
    read_range(value);
  }
}

// "bytes 100-199/1000", "bytes */1000"
void HttpAnswer::read_range(std::string_view value) {
  has_range = true;
  if (!lower(value).starts_with("bytes ")) return;
  value = trimmed(value.substr(6));
  const std::size_t dash = value.find('-');
  const std::size_t slash = value.find('/');
  if (dash != std::string_view::npos) range_begin = number(value.substr(0, dash));
  if (slash != std::string_view::npos) range_total = number(value.substr(slash + 1));
}

std::optional<std::uint64_t> HttpAnswer::total() const {
  if (packed) return linked_size;
  const auto told = has_range ? range_total : length;
  return told ? told : linked_size;
}

FileVersion HttpAnswer::version() const {
  if (packed) return {};  // the bytes of one packing are not those of another
  FileVersion version{etag, "", total()};
  const std::time_t changed = modified.empty() ? -1 : time_of(modified);
  const std::time_t now = date_.empty() ? -1 : time_of(date_);
  if (changed >= 0 && now >= 0 && now - changed >= kOldEnough) version.modified = modified;
  return version;
}

}  // namespace rwkv::fetch
