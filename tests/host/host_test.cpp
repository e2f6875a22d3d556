// Models by id, what uses them, and what they take together.
#include "host/host.h"

#include <gtest/gtest.h>

#include <future>
#include <string>

#include "support/scratch.h"

namespace rwkv::host {
namespace {

using Phase = Host::Phase;
using Kind = ModelHost::Kind;
constexpr std::uint64_t kMegabyte = std::uint64_t{1} << 20;

class Hosts : public ::testing::Test {
 protected:
  std::shared_ptr<ModelHost> load(Host& host, int megabytes = 1) {
    const auto path = scratch_.path() / (std::to_string(megabytes) + ".json");
    test::write_file(
        path, R"({"rwkv_script": 1, "needs_mb": )" + std::to_string(megabytes) + R"(, "replies": [{"say": "hello"}]})");
    ModelRequest request;
    request.model_path = path.string();
    request.budget = host.budget();
    const auto model = std::make_shared<ModelHost>(std::move(request), host.media());
    model->load(CancelToken(), nullptr);
    return model;
  }
  std::shared_ptr<ModelHost> add(Host& host, int megabytes = 1) {
    const auto model = load(host, megabytes);
    host.add(model);
    return model;
  }

  test::ScratchFolder scratch_;
};

TEST_F(Hosts, GiveTheSmallestFreeIdOrNoneTwice) {
  Host reusing(Host::Ids::kSmallestFree);
  const auto zero = add(reusing);
  const auto one = add(reusing);
  EXPECT_EQ(zero->id(), 0);
  EXPECT_EQ(one->id(), 1);
  EXPECT_TRUE(reusing.remove(*zero));
  EXPECT_FALSE(reusing.remove(*zero));
  EXPECT_EQ(add(reusing)->id(), 0);
  EXPECT_EQ(reusing.find(1), one);

  Host counting(Host::Ids::kNeverAgain);
  const auto first = add(counting);
  EXPECT_EQ(first->id(), 0);
  counting.remove(*first);
  EXPECT_EQ(counting.find(0), nullptr);
  EXPECT_EQ(add(counting)->id(), 1);
}

TEST_F(Hosts, LetABetterBackendStandInAndCallItByTheNameThatWasAskedFor) {
  Host host(Host::Ids::kSmallestFree);
  ModelRequest request;
  request.model_path = test::kModel.string();
  const auto load = [&](const std::string& backend) {
    request.backend = backend;
    auto model = std::make_shared<ModelHost>(host.with_host_options(request), host.media());
    model->load(CancelToken(), nullptr);
    return model;
  };
  const auto chosen = load("auto");
  const std::string best = chosen->model().info().backend;
  EXPECT_EQ(chosen->backend_name(), best);
  EXPECT_EQ(load("llama.cpp")->model().info().backend, "llama.cpp");
  host.allow_stand_in(true);
  const auto replaced = load("llama.cpp");
  EXPECT_EQ(replaced->model().info().backend, best);
  EXPECT_EQ(replaced->backend_name(), "llama.cpp");
  host.allow_stand_in(false);
  EXPECT_EQ(load("llama.cpp")->model().info().backend, "llama.cpp");
}

TEST_F(Hosts, FindOnlyLoadedModelsButKeepTheIdsOfOthers) {
  Host host(Host::Ids::kSmallestFree);
  const auto model = load(host);
  host.add(model, Phase::kLoading);
  EXPECT_EQ(host.find(0), nullptr);
  EXPECT_EQ(add(host)->id(), 1);
  host.set_phase(*model, Phase::kLoaded);
  EXPECT_EQ(host.find(0), model);
  host.set_phase(*model, Phase::kLeaving);
  EXPECT_EQ(host.find(0), nullptr);
  EXPECT_TRUE(host.has_any(Phase::kLeaving));
  EXPECT_EQ(host.models().size(), 1u);
  EXPECT_EQ(add(host)->id(), 2);
}

TEST_F(Hosts, AreClosedForGood) {
  Host host(Host::Ids::kNeverAgain);
  add(host);
  EXPECT_EQ(host.take_all().size(), 1u);
  EXPECT_TRUE(host.models().empty());
  EXPECT_THROW(add(host), Error);
}

TEST_F(Hosts, SendTheModelUsedLongestAgoToSleepFirstAndNoneThatIsUsed) {
  Host host(Host::Ids::kNeverAgain);
  const auto older = add(host, 2);
  const auto newer = add(host, 3);
  EXPECT_EQ(host.memory_in_use(), 5 * kMegabyte);
  older->evaluate(Kind::kEvaluation, [](const CancelToken&) {});
  newer->evaluate(Kind::kEvaluation, [](const CancelToken&) {});
  EXPECT_EQ(host.next_to_sleep({}), older);
  EXPECT_EQ(host.next_to_sleep({older->load_id}), newer);
  const auto use = older->admit(Kind::kEvaluation, CancelToken());
  EXPECT_EQ(host.next_to_sleep({}), newer);
  newer->model().sleep();
  EXPECT_EQ(host.next_to_sleep({}), nullptr);
}

TEST_F(Hosts, AModelHasOneGenerationAndEvaluationsBesideIt) {
  Host host(Host::Ids::kNeverAgain);
  const auto model = add(host);
  const CancelToken ahead;
  const auto warm_up = model->admit(Kind::kWarmUp, ahead);
  const auto generation = model->admit(Kind::kGeneration, CancelToken());
  EXPECT_TRUE(ahead.cancelled());  // it makes way
  EXPECT_TRUE(model->generating());
  EXPECT_THROW(model->admit(Kind::kGeneration, CancelToken()), Error);
  EXPECT_THROW(model->admit(Kind::kWarmUp, CancelToken()), Error);
  EXPECT_NO_THROW(model->admit(Kind::kEvaluation, CancelToken()));
  generation->end();
  generation->end();
  EXPECT_FALSE(model->generating());
  EXPECT_TRUE(model->busy());
  warm_up->end();
  EXPECT_FALSE(model->busy());
}

TEST_F(Hosts, AClosedModelTakesNothingNewAndItsUsesAreCancelled) {
  Host host(Host::Ids::kNeverAgain);
  const auto model = add(host);
  const CancelToken cancel;
  auto use = model->admit(Kind::kGeneration, cancel);
  model->close();
  EXPECT_TRUE(cancel.cancelled());
  try {
    model->admit(Kind::kEvaluation, CancelToken());
    ADD_FAILURE() << "admitted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  }
  auto waiting = std::async(std::launch::async, [&] { model->wait_until_unused(); });
  use.reset();
  waiting.get();
}

// Somebody who hears of the end may start the next at once.
TEST_F(Hosts, AJobsUseHasEndedWhenItsEndIsTold) {
  Host host(Host::Ids::kNeverAgain);
  const auto model = add(host);
  std::promise<bool> told;
  model->post(
      model->admit(Kind::kGeneration, CancelToken()), [] { throw Error(ErrorCode::kEvaluation, "it cannot"); },
      [&](const std::optional<Error>& error) {
        told.set_value(error && error->code() == ErrorCode::kEvaluation && !model->generating());
      });
  EXPECT_TRUE(told.get_future().get());
}

TEST(Seeds, OfSeveralAnswersDifferAndTheFirstIsTheirOwn) {
  std::set<std::uint64_t> seeds;
  for (std::size_t i = 0; i < 1000; ++i) seeds.insert(seed_of_answer(7, i));
  EXPECT_EQ(seeds.size(), 1000u);
  EXPECT_EQ(seed_of_answer(7, 0), 7u);
}

TEST(Seeds, OneThatNobodySetFitsIntoAnInt) {
  for (int i = 0; i < 20; ++i) {
    const std::int64_t seed = SeedSource().seed();
    EXPECT_GE(seed, 0);
    EXPECT_LE(seed, INT32_MAX);
  }
}

}  // namespace
}  // namespace rwkv::host
