#include "base/machine.h"
#include "bridge/handlers.h"

namespace rwkv::bridge {

void Handlers::handle(const protocol::SetMemoryBudget& request) {
  if (request.bytes < 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "the memory budget is " + std::to_string(request.bytes) + " bytes; give a bound, or 0 for none");
  }
  later_ = true;
  runtime_.set_memory_budget(origin_, static_cast<std::uint64_t>(request.bytes));
}

void Handlers::handle(const protocol::ReleaseMemory& request) {
  later_ = true;
  runtime_.release_memory(origin_, request.level);
}

void Handlers::handle(const protocol::GetMemoryInfo&) {
  protocol::MemoryInfo answer;
  answer.budget_bytes = static_cast<std::int64_t>(runtime_.host_.budget()->limit());
  answer.used_bytes = static_cast<std::int64_t>(runtime_.host_.memory_in_use());
  answer.available_bytes = static_cast<std::int64_t>(inspect_machine().available_bytes);
  for (const auto& host : runtime_.host_.models()) {
    const LanguageModel::MemoryUse use = host->model().memory_use();
    protocol::ModelMemory model;
    model.model_id = host->id();
    model.asleep = use.asleep;
    model.mapped_bytes = static_cast<std::int64_t>(use.model.mapped);
    model.private_bytes = static_cast<std::int64_t>(use.model.owned);
    model.cache_bytes = static_cast<std::int64_t>(use.cache.bytes);
    model.pinned_bytes = static_cast<std::int64_t>(use.cache.pinned_bytes);
    answer.models.push_back(model);
  }
  reply(std::move(answer));
}

void Handlers::handle(const protocol::SetModelWeight& request) {
  model(request.model_id)->model().set_weight(request.weight);
}

}  // namespace rwkv::bridge
