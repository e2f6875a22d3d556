// One handler for each request of the protocol.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bridge/runtime.h"
#include "host/generate.h"

namespace rwkv::bridge {

/// Serves one request on the runtime's thread; what it throws is answered as an Error. A request without an overload
/// does not compile.
class Handlers {
 public:
  Handlers(Runtime& runtime, const Origin& origin) : runtime_(runtime), origin_(origin) {}

  /// The last answer has not been given yet: what was started gives it.
  bool answers_later() const noexcept { return later_; }

  // handlers_models.cpp
  void handle(const protocol::LoadRWKVModel& request);
  void handle(const protocol::SetStandIn& request);
  void handle(const protocol::ReleaseRWKVModel& request);
  void handle(const protocol::AddTTSModel& request);
  void handle(const protocol::GetLoadedModelIDs& request);
  void handle(const protocol::GetLoadedModelPathByID& request);
  void handle(const protocol::GetModels& request);

  // handlers_generation.cpp
  void handle(const protocol::ChatAsync& request);
  void handle(const protocol::ChatBatchAsync& request);
  void handle(const protocol::GenerateAsync& request);
  void handle(const protocol::SudokuOthelloGenerate& request);
  void handle(const protocol::Stop& request);
  void handle(const protocol::SubscribeGeneration& request);
  void handle(const protocol::RunEvaluation& request);

  // handlers_settings.cpp
  void handle(const protocol::SetPrompt& request);
  void handle(const protocol::GetPrompt& request);
  void handle(const protocol::SetMaxLength& request);
  void handle(const protocol::SetGenerationStopToken& request);
  void handle(const protocol::SetUserRole& request);
  void handle(const protocol::SetResponseRole& request);
  void handle(const protocol::SetBosToken& request);
  void handle(const protocol::SetEosToken& request);
  void handle(const protocol::SetThinkingToken& request);
  void handle(const protocol::SetSpaceAfterRoles& request);
  void handle(const protocol::SetTokenBanned& request);
  void handle(const protocol::SetSamplerParams& request);
  void handle(const protocol::GetSamplerParams& request);
  void handle(const protocol::SetSamplerAndPenaltyParams& request);
  void handle(const protocol::GetSamplerAndPenaltyParams& request);
  void handle(const protocol::UpdateSampling& request);
  void handle(const protocol::SetSeed& request);
  void handle(const protocol::GetSeed& request);

  // handlers_media.cpp
  void handle(const protocol::LoadVisionEncoder& request);
  void handle(const protocol::LoadVisionEncoderAndAdapter& request);
  void handle(const protocol::ReleaseVisionEncoder& request);
  void handle(const protocol::SetImageUniqueIdentifier& request);
  void handle(const protocol::SetVisionPrompt& request);
  void handle(const protocol::LoadWhisperEncoder& request);
  void handle(const protocol::ReleaseWhisperEncoder& request);
  void handle(const protocol::SetAudioPrompt& request);

  // handlers_reading.cpp
  void handle(const protocol::GetResponseBufferContent& request);
  void handle(const protocol::GetBatchResponseBufferContent& request);
  void handle(const protocol::GetIsGenerating& request);
  void handle(const protocol::GetResponseBufferIds& request);
  void handle(const protocol::GetResponseBufferTokensCount& request);
  void handle(const protocol::GetResponseBufferTokensCountBatch& request);
  void handle(const protocol::GetPrefillAndDecodeSpeed& request);
  void handle(const protocol::GetSupportedBatchSizes& request);
  void handle(const protocol::CalculateTokensCountRaw& request);
  void handle(const protocol::CalculateTokensCountFromMessages& request);
  void handle(const protocol::GetTTSStreamingBuffer& request);
  void handle(const protocol::GetCurrentTTSGlobalTokens& request);
  void handle(const protocol::ReleaseTTSModels& request);

  // handlers_memory.cpp
  void handle(const protocol::SetMemoryBudget& request);
  void handle(const protocol::ReleaseMemory& request);
  void handle(const protocol::GetMemoryInfo& request);
  void handle(const protocol::SetModelWeight& request);

  // handlers_downloads.cpp
  void handle(const protocol::DownloadModel& request);
  void handle(const protocol::StopDownload& request);
  void handle(const protocol::GetModelCatalogue& request);

  // handlers_diagnostics.cpp
  void handle(const protocol::DumpLog& request);
  void handle(const protocol::Doctor& request);

  // handlers_states.cpp
  void handle(const protocol::ClearStates& request);
  void handle(const protocol::DumpStateInfo& request);
  void handle(const protocol::GetStateCacheInfo& request);
  void handle(const protocol::SetStateCache& request);
  void handle(const protocol::SaveRuntimeStateByHistory& request);
  void handle(const protocol::LoadRuntimeStateToMemory& request);
  void handle(const protocol::LoadInitialStates& request);
  void handle(const protocol::UnloadInitialStates& request);

  template <protocol::Unsupported T>
  void handle(const T&) {
    throw Error(ErrorCode::kUnsupported,
                std::string(T::kType) + " does nothing until " + std::string(T::kUnsupportedUntil));
  }

 private:
  void reply(protocol::Response response) { runtime_.reply(origin_, std::move(response)); }
  /// Throws Error(kNotFound) naming the id.
  std::shared_ptr<BridgedModel> model(std::int64_t id) const;
  /// Null for an unknown id. Throws Error(kNotFound) where the request names a load and the id's model is of another.
  std::shared_ptr<BridgedModel> find(std::int64_t id) const;

  // handlers_reading.cpp
  /// The port has read the text.
  void note_look(BridgedModel& host) const;

  // handlers_media.cpp
  void load_encoder(std::int64_t model_id, EncoderInfo::Takes takes, EncoderFiles files);

  // handlers_generation.cpp
  /// What a late listener of a slot gets.
  protocol::GenerationSnapshot snapshot(BridgedModel& host, std::int32_t slot, std::int64_t after);
  void generate(const protocol::Request& request, std::int64_t model_id, BridgedRun::Kind kind, std::size_t slots,
                bool push, int max_length, const std::function<host::MakeTasks(BridgedModel&, BridgedRun&)>& prepare);
  void chat(const protocol::Request& request, std::int64_t model_id, std::vector<host::Conversation> conversations,
            bool push, std::optional<std::int32_t> max_length);

  Runtime& runtime_;
  Origin origin_;
  bool later_ = false;
};

}  // namespace rwkv::bridge
