// What the C functions do beyond the checklist: numbers against the reference, settings of slots, languages, callbacks,
// the C++ wrapper.
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "c_test.h"
#include "rwkv_mobile.hpp"
#include "support/scratch.h"

namespace {

using rwkv::test::ScratchFolder;

std::string script(const ScratchFolder& folder, const std::string& say, int decode_us = 0) {
  const std::string path = (folder.path() / "script.json").string();
  rwkv::test::write_file(path, R"({"rwkv_script": 1, "decode_us": )" + std::to_string(decode_us) +
                                   R"(, "replies": [{"say": ")" + say + R"("}]})");
  return path;
}

void be_greedy(rwkv_mobile::Model& model) {
  model.set_sampler({1, 1, 1});
  model.set_penalties({0, 0, 0});
}

std::vector<std::string> batch_texts(const rwkv_mobile::Model& model) {
  const response_buffer_batch batch = rwkvmobile_runtime_get_response_buffer_content_batch(model.runtime(), model.id());
  std::vector<std::string> texts;
  for (int i = 0; i < batch.batch_size; ++i) texts.emplace_back(batch.contents[i]);
  rwkvmobile_runtime_free_response_buffer_batch(batch);
  return texts;
}

int chat_batch(const rwkv_mobile::Model& model, int slots, int max_tokens,
               rwkvmobile_on_batch_tokens callback = nullptr, rwkvmobile_force_lang language = FORCE_LANG_NONE) {
  const char* messages[] = {"Tell me something."};
  std::vector<const char**> chats(static_cast<std::size_t>(slots), messages);
  const std::vector<int> counts(static_cast<std::size_t>(slots), 1);
  return rwkvmobile_runtime_eval_chat_batch_with_history_async(model.runtime(), model.id(), chats.data(), counts.data(),
                                                               slots, max_tokens, callback, 0, 0, language, 1);
}

TEST(CApiWrapper, ChatsCompletesStopsAndReleases) {
  const std::int64_t before = rwkv_ext_live_objects();
  {
    rwkv_mobile::Runtime runtime;
    rwkv_mobile::Model model = runtime.load(MODEL);
    be_greedy(model);
    model.chat({"What is 47+38?"}, 50);
    model.wait();
    EXPECT_EQ(model.response().text, "85");
    EXPECT_TRUE(model.response().eos_found);
    EXPECT_EQ(model.end_reason(), RWKV_END_EOS);
    model.complete("User: What is 47+38?\n\nAssistant:", 1000000, -1);
    model.stop();
    model.wait();
    EXPECT_EQ(model.end_reason(), RWKV_END_CANCELLED);
    EXPECT_GT(model.count_tokens("some text"), 0);
    const ScratchFolder folder;
    model.save_history({"Hello!", "Hi."}, (folder.path() / "state").string());
    model.load_history((folder.path() / "state").string());
    rwkv_mobile::Model moved = std::move(model);
    EXPECT_EQ(moved.id(), 0);
  }
  EXPECT_EQ(rwkv_ext_live_objects(), before);
}

TEST(CApiWrapper, ThrowsWhatWentWrong) {
  rwkv_mobile::Runtime runtime;
  try {
    runtime.load("/no/such/file");
    ADD_FAILURE() << "nothing thrown";
  } catch (const rwkv_mobile::Error& error) {
    EXPECT_EQ(error.bits(), RWKV_ERROR_MODEL | RWKV_ERROR_IO);
    EXPECT_NE(std::string(error.what()).find("/no/such/file"), std::string::npos);
  }
  rwkv_mobile::Model model = runtime.load(MODEL);
  EXPECT_THROW(model.chat({}, 5), rwkv_mobile::Error);
  EXPECT_THROW(model.load_history("/no/such/file"), rwkv_mobile::Error);
}

TEST(CApi, AModelIsLoadedOnADeviceAndWithSettingsOfItsBackend) {
  rwkv_mobile::Runtime runtime;
  const auto load = [&](const char* device, const char* settings) {
    return rwkv_ext_load_model(runtime.handle(), MODEL, "llama.cpp", "", device, settings);
  };
  constexpr int kRefused = -(RWKV_ERROR_RUNTIME | RWKV_ERROR_INVALID_PARAMETERS);
  EXPECT_EQ(load("no such device", ""), kRefused);
  EXPECT_EQ(load("cpu", "no such setting=1"), kRefused);
  EXPECT_EQ(load("cpu", "weights=borrowed"), kRefused);
  EXPECT_EQ(load("cpu", "weights"), kRefused);
  EXPECT_EQ(load("cpu", "=copied"), kRefused);
  EXPECT_EQ(load(nullptr, nullptr), 0);
  EXPECT_EQ(load("cpu", "weights=copied\n"), 1);
}

TEST(CApi, AnotherBackendStandsInOnlyWhereTheHostLetsIt) {
  rwkv_mobile::Runtime runtime;
  const auto memory = [&](const char* backend) {
    const int id = rwkvmobile_runtime_load_model(runtime.handle(), MODEL, backend, "");
    EXPECT_GE(id, 0);
    const loaded_models_list list = rwkvmobile_runtime_get_loaded_models_info(runtime.handle());
    EXPECT_STREQ(list.models[0].backend_name, std::string(backend) == "auto" ? "native" : backend);
    rwkvmobile_runtime_free_loaded_models_list(list);
    const std::int64_t bytes = rwkv_ext_memory_in_use(runtime.handle());
    rwkvmobile_runtime_release_model(runtime.handle(), id);
    return bytes;
  };
  const std::int64_t chosen = memory("auto");
  const std::int64_t named = memory("llama.cpp");
  EXPECT_NE(named, chosen);
  runtime.set_stand_in(true);
  EXPECT_EQ(memory("llama.cpp"), chosen);
  runtime.set_stand_in(false);
  EXPECT_EQ(memory("llama.cpp"), named);
}

// A sanitizer keeps what is freed.
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

double resident() {
  double pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// What is free already is not what a release gives back.
double resident_at_first() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
  return resident();
}

void use_once() {
  rwkv_mobile::Runtime runtime;
  rwkv_mobile::Model model = runtime.load(MODEL);
  model.chat({"What is 47+38?"}, 5);
  model.wait();
}

TEST(CApi, WhatModelsAndRuntimesTookGoesBackToTheSystemWithThem) {
  const auto use = [](rwkv_mobile::Model& model) {
    for (int i = 0; i < 100; ++i) {
      model.chat({std::to_string(i) + " is a number"}, 1);
      model.wait();
    }
  };
  // The first use of the library makes more of it resident.
  use_once();
  const double before = resident_at_first();
  std::optional<rwkv_mobile::Runtime> runtime(std::in_place);
  rwkv_mobile::Model stays = runtime->load(MODEL);
  const double empty = resident_at_first();
  std::optional<rwkv_mobile::Model> goes(runtime->load(MODEL));
  use(*goes);
  const double full = resident_at_first();
  EXPECT_GE(full - empty, 10e6);
  goes.reset();
  EXPECT_LE(resident(), empty + 0.1 * (full - empty));
  use(stays);
  const double filled = resident_at_first();
  runtime.reset();
  EXPECT_LE(resident(), before + 0.1 * (filled - before));
}

#endif

// Reference logits come from numpy (tools/reference).
TEST(CApi, LogitsAreThoseOfTheReferenceAndTheLiveStateGoesOn) {
  std::ifstream file(RWKV_SOURCE_DIR "/tests/data/tiny/logits.json");
  const nlohmann::json reference = nlohmann::json::parse(file);
  rwkv_mobile::Runtime runtime;
  rwkv_mobile::Model model = runtime.load(MODEL);
  ASSERT_FALSE(reference.empty());
  for (const auto& each : reference) {
    if (!each.contains("logits")) continue;
    const auto tokens = each.at("tokens").get<std::vector<int>>();
    const auto expected = each.at("logits").get<std::vector<double>>();
    std::vector<float> logits(expected.size() + 8, -7.0f);
    EXPECT_EQ(rwkvmobile_runtime_clear_state(model.runtime(), model.id()), 0);
    // In two calls, with a chat between them.
    const int half = static_cast<int>(tokens.size()) / 2;
    if (half > 0) {
      ASSERT_EQ(rwkvmobile_runtime_eval_logits(model.runtime(), model.id(), tokens.data(), half, logits.data(), 1), 0);
      model.chat({"Hello!"}, 3);
      model.wait();
    }
    ASSERT_EQ(rwkvmobile_runtime_eval_logits(model.runtime(), model.id(), tokens.data() + half,
                                             static_cast<int>(tokens.size()) - half, logits.data(),
                                             static_cast<int>(logits.size())),
              0);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(static_cast<double>(logits[i]), expected[i], 2e-3) << "logit " << i;
    }
    EXPECT_EQ(logits.back(), -7.0f);
  }
  const int outside[] = {1, 1 << 20};
  float logit = 0;
  EXPECT_EQ(rwkvmobile_runtime_eval_logits(model.runtime(), model.id(), outside, 2, &logit, 1), 264);
}

TEST(CApi, SlotsHaveSettingsOfTheirOwn) {
  const ScratchFolder folder;
  rwkv_mobile::Runtime runtime;
  rwkv_mobile::Model model = runtime.load(script(folder, "x"), "scripted");
  const auto sampler = [&](int slot) {
    return rwkvmobile_runtime_get_sampler_params_on_batch_slot(model.runtime(), model.id(), slot);
  };
  const auto penalty = [&](int slot) {
    return rwkvmobile_runtime_get_penalty_params_on_batch_slot(model.runtime(), model.id(), slot);
  };
  EXPECT_EQ(sampler(0).top_k, 128);
  EXPECT_EQ(sampler(0).top_p, 0.5f);
  EXPECT_EQ(penalty(0).presence_penalty, 2.0f);
  EXPECT_EQ(penalty(0).penalty_decay, 0.996f);
  rwkvmobile_runtime_set_sampler_params_on_batch_slot(model.runtime(), model.id(), 31, {0.7f, 5, 0.25f});
  rwkvmobile_runtime_set_penalty_params_on_batch_slot(model.runtime(), model.id(), 1, {1, 2, 3});
  EXPECT_EQ(sampler(31).top_k, 5);
  EXPECT_EQ(sampler(1000).top_k, 5);
  EXPECT_EQ(sampler(30).top_k, 128);
  EXPECT_EQ(sampler(-1).top_k, 128);
  EXPECT_EQ(penalty(1).frequency_penalty, 2.0f);
  EXPECT_EQ(penalty(31).presence_penalty, 2.0f);
  for (const int slot : {-1, 32}) {
    rwkvmobile_runtime_set_sampler_params_on_batch_slot(model.runtime(), model.id(), slot, {9, 9, 9});
  }
  EXPECT_EQ(sampler(0).top_k, 128);
  EXPECT_EQ(sampler(31).top_k, 5);
  rwkvmobile_runtime_set_sampler_params(model.runtime(), model.id(), {0.5f, 7, NAN});
  EXPECT_EQ(sampler(0).top_k, 128) << "a value that is no number is refused";
  model.set_sampler({0.5f, 7, 1});
  EXPECT_EQ(sampler(31).top_k, 7);
  EXPECT_EQ(penalty(1).frequency_penalty, 2.0f) << "the sampler's setter leaves penalties alone";
}

TEST(CApi, ASeedGivesTheSameAnswersAgainInBatchesToo) {
  rwkv_mobile::Runtime runtime;
  rwkv_mobile::Model model = runtime.load(MODEL);
  model.set_sampler({2, 0, 1});
  std::vector<std::string> first;
  for (int round = 0; round < 2; ++round) {
    model.set_seed(-12345);
    EXPECT_EQ(rwkvmobile_runtime_get_seed(model.runtime(), model.id()), -12345);
    ASSERT_EQ(chat_batch(model, 4, 20), 0);
    model.wait();
    const std::vector<std::string> texts = batch_texts(model);
    if (round == 0) {
      first = texts;
      EXPECT_GT(std::set<std::string>(texts.begin(), texts.end()).size(), 1u) << "slots draw for themselves";
    } else {
      EXPECT_EQ(texts, first);
    }
  }
}

bool is_cjk(const std::string& text) { return !text.empty() && static_cast<unsigned char>(text[0]) >= 0xE4; }

// A number as in April 2026, or the address of one a slot as in later clients.
TEST(CApi, TheBatchsLanguageIsANumberOrAnArray) {
  rwkv_mobile::Runtime runtime;
  rwkv_mobile::Model model = runtime.load(MODEL);
  be_greedy(model);
  const auto languages = [&](rwkvmobile_force_lang value) {
    EXPECT_EQ(chat_batch(model, 3, 3, nullptr, value), 0);
    model.wait();
    std::string found;
    for (const std::string& text : batch_texts(model)) found += is_cjk(text) ? 'c' : '-';
    return found;
  };
  EXPECT_EQ(languages(FORCE_LANG_NONE), "---");
  EXPECT_EQ(languages(FORCE_LANG_CHN), "ccc");
  EXPECT_EQ(languages(77), "---");
  EXPECT_EQ(languages(-1), "---");
  EXPECT_EQ(languages(INT_MAX), "---");
  EXPECT_EQ(languages(INT_MIN), "---");
  if (sizeof(rwkvmobile_force_lang) < sizeof(void*)) return;
  const auto address = [](const void* pointer) { return reinterpret_cast<rwkvmobile_force_lang>(pointer); };
  EXPECT_EQ(languages(address(nullptr)), "---");
  const std::vector<int> mixed{FORCE_LANG_CHN, FORCE_LANG_NONE, FORCE_LANG_CHN};
  EXPECT_EQ(languages(address(mixed.data())), "c-c");
  EXPECT_EQ(languages(address(std::vector<int>{FORCE_LANG_EN, 99, FORCE_LANG_CHN}.data())), "--c");
  if (sizeof(void*) < 8) return;
  // A register whose upper half nobody has set.
  EXPECT_EQ(languages(static_cast<rwkvmobile_force_lang>(0x7F1234ABLL << 32 | FORCE_LANG_CHN)), "ccc");
}

struct BatchCall {
  std::vector<std::string> texts;
  std::vector<int> tokens;
  std::vector<std::string> pieces;
};
std::vector<BatchCall> batch_calls;

TEST(CApi, TheBatchsCallbackTellsEveryTokenOfEverySlot) {
  const ScratchFolder folder;
  rwkv_mobile::Runtime runtime;
  rwkv_mobile::Model model = runtime.load(script(folder, "yes"), "scripted");
  be_greedy(model);
  batch_calls.clear();
  ASSERT_EQ(
      chat_batch(model, 2, 50,
                 [](const int size, const char** texts, const int* tokens, const char** pieces) {
                   batch_calls.push_back({{texts, texts + size}, {tokens, tokens + size}, {pieces, pieces + size}});
                 }),
      0);
  model.wait();
  std::vector<std::string> told(2);
  std::vector<int> tokens(2);
  for (const BatchCall& call : batch_calls) {
    ASSERT_EQ(call.texts.size(), 2u);
    for (std::size_t slot = 0; slot < 2; ++slot) {
      told[slot] += call.pieces[slot];
      EXPECT_EQ(call.texts[slot], told[slot]);
      if (call.tokens[slot] >= 0) ++tokens[slot];
    }
  }
  EXPECT_EQ(told, (std::vector<std::string>{"yes", "yes"}));
  EXPECT_EQ(tokens, (std::vector<int>{4, 4}));  // the template's space, and a byte each
  EXPECT_EQ(batch_texts(model), told);
}

TEST(CApi, ACallbackThatThrowsEndsItsGenerationOnly) {
  const ScratchFolder folder;
  rwkv_mobile::Runtime runtime;
  rwkv_mobile::Model model = runtime.load(script(folder, std::string(30, 'x'), 5000), "scripted");
  be_greedy(model);
  const char* messages[] = {"Hi"};
  const auto throws = [](const char*, const int, const char*) { throw 5; };
  ASSERT_EQ(
      rwkvmobile_runtime_eval_chat_with_history_async(model.runtime(), model.id(), messages, 1, 50, throws, 0, 0, 0, 1),
      0);
  EXPECT_THROW(model.wait(), rwkv_mobile::Error);
  EXPECT_EQ(model.end_reason(), RWKV_END_ERROR);
  model.chat({"Hi"}, 50);
  model.wait();
  EXPECT_EQ(model.response().text, std::string(30, 'x'));
}

TEST(CApi, ACheckpointOfPyTorchBecomesSafetensors) {
  const ScratchFolder folder;
  const std::string source = std::string(RWKV_SOURCE_DIR) + "/tests/data/convert/rwkv7.pth";
  const std::string output = (folder.path() / "model.st").string();
  ASSERT_EQ(rwkvmobile_convert_pth_to_safetensors(source.c_str(), output.c_str()), 0);
  // The format: eight bytes of length, a JSON header of names, the data.
  const std::string bytes = rwkv::test::read_file(output);
  ASSERT_GT(bytes.size(), 8u);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  ASSERT_LT(length, bytes.size() - 8);
  const auto header = nlohmann::json::parse(bytes.substr(8, length));
  EXPECT_EQ(header.at("emb.weight").at("dtype"), "F16");
  EXPECT_TRUE(header.contains("blocks.0.att.w1"));

  const std::string none = (folder.path() / "none.st").string();
  const std::string no_checkpoint = std::string(RWKV_SOURCE_DIR) + "/README.md";
  EXPECT_EQ(rwkvmobile_convert_pth_to_safetensors(no_checkpoint.c_str(), none.c_str()),
            RWKV_ERROR_RUNTIME | RWKV_ERROR_IO);
  EXPECT_EQ(rwkvmobile_convert_pth_to_safetensors((source + "x").c_str(), none.c_str()),
            RWKV_ERROR_RUNTIME | RWKV_ERROR_IO);
  EXPECT_EQ(rwkvmobile_convert_pth_to_safetensors(nullptr, none.c_str()), 8);
  EXPECT_FALSE(std::filesystem::exists(none));
}

TEST(CApi, ModelsAreListedAndIdsNotUsedAgain) {
  const ScratchFolder folder;
  const std::string path = script(folder, "x");
  const std::int64_t before = rwkv_ext_live_objects();
  const rwkvmobile_runtime_t runtime = rwkvmobile_runtime_init();
  for (int id = 0; id < 3; ++id) {
    EXPECT_EQ(rwkvmobile_runtime_load_model(runtime, path.c_str(), "scripted", ""), id);
  }
  const char* model_path = rwkvmobile_runtime_get_model_path_by_id(runtime, 1);
  EXPECT_EQ(rwkvmobile_runtime_release_model(runtime, 1), 0);
  EXPECT_EQ(model_path, path) << "lives as long as the runtime";
  int ids[16] = {};
  EXPECT_EQ(rwkvmobile_runtime_get_loaded_model_ids(runtime, ids, 16), 2);
  EXPECT_EQ(ids[1], 2);
  EXPECT_EQ(rwkvmobile_runtime_get_loaded_model_ids(runtime, ids, 1), 1);
  // The existing engine gives 1, so that who still has the released model's id would be answered by this one.
  EXPECT_EQ(rwkvmobile_runtime_load_model(runtime, path.c_str(), "scripted", ""), 3);
  EXPECT_EQ(rwkvmobile_runtime_release(runtime), 0);
  EXPECT_EQ(rwkv_ext_live_objects(), before);
}

TEST(CApi, APromptThatDoesNotFitIsCutBetweenCharacters) {
  const ScratchFolder folder;
  rwkv_mobile::Runtime runtime;
  rwkv_mobile::Model model = runtime.load(script(folder, "x"), "scripted");
  model.set_prompt("ab\xe4\xbd\xa0");
  char buffer[8];
  const auto get = [&](int size) { return rwkvmobile_runtime_get_prompt(model.runtime(), model.id(), buffer, size); };
  EXPECT_EQ(get(6), 0);
  EXPECT_STREQ(buffer, "ab\xe4\xbd\xa0");
  EXPECT_EQ(get(5), RWKV_ERROR_ALLOC);
  EXPECT_STREQ(buffer, "ab");
  EXPECT_EQ(get(1), RWKV_ERROR_ALLOC);
  EXPECT_STREQ(buffer, "");
}

TEST(CApi, TokenCountsAreThoseOfTheTemplate) {
  const ScratchFolder folder;
  rwkv_mobile::Runtime runtime;
  rwkv_mobile::Model model = runtime.load(script(folder, "x"), "scripted");
  EXPECT_EQ(model.count_tokens("four"), 4);
  EXPECT_EQ(model.count_tokens(""), 0);
  model.set_prompt("P");
  const char* messages[] = {"ab", "c"};
  const auto count = [&](int size) {
    return rwkvmobile_runtime_calculate_tokens_count_from_messages(model.runtime(), model.id(), messages, size);
  };
  EXPECT_EQ(count(1), 9);           // "PUser: ab", a byte a token
  EXPECT_EQ(count(2), 9 + 1 + 12);  // a blank line is one token, then "Assistant: c"
  messages[0] = "";
  EXPECT_EQ(count(1), 0);
}

TEST(CApi, TheLikeliestTokensComeFirst) {
  const ScratchFolder folder;
  rwkv_mobile::Runtime runtime;
  rwkv_mobile::Model model = runtime.load(script(folder, "yes"), "scripted");
  const auto ask = [&](const char* prompt, int count) {
    return rwkvmobile_runtime_gen_completion_singletoken_topk(model.runtime(), model.id(), prompt, count);
  };
  const char** tokens = ask("User: Hi\n\nAssistant: y", 2);
  ASSERT_NE(tokens, nullptr);
  EXPECT_STREQ(tokens[0], "e");
  tokens = ask("User: Hi\n\nAssistant: ye", 258);
  ASSERT_NE(tokens, nullptr);
  EXPECT_STREQ(tokens[0], "s");
  EXPECT_EQ(ask("x", 259), nullptr);
  EXPECT_EQ(ask("x", 0), nullptr);
  EXPECT_FALSE(model.generating());
}

TEST(CApi, AStateOfAnotherModelAndADamagedOneAreRefused) {
  const ScratchFolder folder;
  const std::string state = (folder.path() / "state").string();
  rwkv_mobile::Runtime runtime;
  rwkv_mobile::Model model = runtime.load(script(folder, "yes"), "scripted");
  rwkv_mobile::Model other = runtime.load(MODEL);
  model.save_history({"Hi", "yes"}, state);
  const auto code = [&](const rwkv_mobile::Model& into) {
    return rwkvmobile_runtime_load_history_state_to_memory(into.runtime(), into.id(), state.c_str());
  };
  EXPECT_EQ(code(model), 0);
  EXPECT_EQ(code(other), RWKV_ERROR_RUNTIME | RWKV_ERROR_INVALID_PARAMETERS);
  std::string bytes = rwkv::test::read_file(state);
  bytes.back() ^= 1;
  rwkv::test::write_file(state, bytes);
  EXPECT_EQ(code(model), RWKV_ERROR_RUNTIME | RWKV_ERROR_IO);
}

TEST(CApi, AnInitialStateChangesPromptsThatBeginWithItsTagUntilItIsUnloaded) {
  const std::string path = RWKV_SOURCE_DIR "/tests/data/tiny/initial_state.pth";
  rwkv_mobile::Runtime runtime;
  rwkv_mobile::Model model = runtime.load(MODEL);
  be_greedy(model);
  // The shipped model knows some answers whatever it begins with, so several are asked for.
  const auto answers = [&](const std::string& prompt) {
    rwkvmobile_runtime_set_prompt(model.runtime(), model.id(), prompt.c_str());
    std::vector<std::string> texts;
    for (const char* question : {"Hi", "Tell me a story", "x", "What is 47+38?"}) {
      model.chat({question}, 20);
      model.wait();
      texts.push_back(model.response().text);
    }
    return texts;
  };
  const std::string tag = "<state src=\"" + path + "\">\n";
  const auto as_text = answers(tag);
  const auto plain = answers("");
  model.load_initial_state(path);
  model.load_initial_state(path);
  const auto tuned = answers(tag);
  EXPECT_NE(tuned, as_text);
  EXPECT_EQ(answers(""), plain);
  EXPECT_EQ(answers(tag), tuned);
  model.unload_initial_state(path);
  EXPECT_EQ(answers(tag), as_text);

  const auto code = [&](const char* from) {
    return rwkvmobile_runtime_load_initial_state(model.runtime(), model.id(), from);
  };
  EXPECT_EQ(code(nullptr), RWKV_ERROR_INVALID_PARAMETERS);
  EXPECT_EQ(code("/no/such/file.pth"), RWKV_ERROR_RUNTIME | RWKV_ERROR_IO);
  EXPECT_EQ(code(RWKV_SOURCE_DIR "/tests/data/rwkv6/initial_state.pth"), RWKV_ERROR_RUNTIME | RWKV_ERROR_IO);
  EXPECT_EQ(rwkvmobile_runtime_load_initial_state(model.runtime(), 99, path.c_str()),
            RWKV_ERROR_RUNTIME | RWKV_ERROR_INVALID_PARAMETERS);
  rwkvmobile_runtime_unload_initial_state(model.runtime(), 99, path.c_str());
  rwkvmobile_runtime_unload_initial_state(nullptr, 0, path.c_str());
  rwkvmobile_runtime_unload_initial_state(model.runtime(), model.id(), nullptr);
}

}  // namespace
