#include "fetch/request.h"

#include <filesystem>

#include "base/error.h"
#include "base/utf8_path.h"
#include "fetch/address.h"
#include "fetch/catalogue.h"
#include "fetch/http_answer.h"

namespace rwkv::fetch {
namespace {

// The last part of the address is the name, in `output` if that is a folder or is written as one.
std::string destination(const std::string& url, const std::string& output) {
  namespace fs = std::filesystem;
  const fs::path given = path_from_utf8(output);
  std::error_code error;
  if (!output.empty() && given.has_filename() && !fs::is_directory(given, error)) return output;
  const std::string name = file_name_in(url);
  if (!output.empty() && !fs::is_directory(given, error)) {
    fs::create_directories(given, error);
    if (error) throw Error(ErrorCode::kIo, "the folder '" + output + "' cannot be made: " + error.message(), output);
  }
  return utf8_from_path(given / path_from_utf8(name));
}

}  // namespace

DownloadRequest request_for(const std::string& what, const std::string& output, const std::string& sha256) {
  DownloadRequest request;
  request.sha256 = lower(sha256);
  if (request.sha256.starts_with("sha256:")) request.sha256.erase(0, 7);  // as hubs show it
  if (const CatalogueEntry* entry = find_in_catalogue(what)) {
    request.url = entry->url;
    if (request.sha256.empty()) request.sha256 = entry->sha256;
  } else {
    request.url = whole_address(what);
    if (request.url.empty()) {
      throw Error(ErrorCode::kNotFound, "there is no model '" + what +
                                            "' in the list; `rwkv pull --list` shows it, and a whole "
                                            "address works as well");
    }
  }
  request.path = destination(request.url, output);
  request.url = at_mirror(request.url);
  request.token = hub_token(request.url);
  return request;
}

}  // namespace rwkv::fetch
