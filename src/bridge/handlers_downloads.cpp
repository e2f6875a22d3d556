#include "bridge/handlers.h"
#include "fetch/catalogue.h"

namespace rwkv::bridge {

void Handlers::handle(const protocol::DownloadModel& request) {
  if (request.path.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "a download needs a `path`: the file or folder of the app to write to");
  }
  runtime_.downloads_.start(origin_, request);
  later_ = true;
}

void Handlers::handle(const protocol::StopDownload& request) { runtime_.downloads_.cancel(request.download_id); }

void Handlers::handle(const protocol::GetModelCatalogue&) {
  protocol::ModelCatalogue answer;
  for (const fetch::CatalogueEntry& entry : fetch::catalogue()) {
    protocol::CatalogueEntry model;
    model.name = entry.name;
    model.url = fetch::at_mirror(entry.url);
    model.sha256 = entry.sha256;
    model.about = entry.about;
    answer.entries.push_back(std::move(model));
  }
  reply(std::move(answer));
}

}  // namespace rwkv::bridge
