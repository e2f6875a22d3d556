#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "protocol/every_message.h"

namespace rwkv::protocol {
namespace {

using test::error_of;

Json json(const char* text) { return parse_message(text); }

// What is left of a message after it was decoded.
Json again(const test::Sample& sample, const Json& message) {
  return sample.is_request ? encode(decode_request(message)) : encode(decode_response(message));
}

const std::vector<test::Sample>& every_message() {
  static const std::vector<test::Sample> samples = test::every_message();
  return samples;
}

TEST(Codec, EveryMessageSurvivesWithEveryFieldSet) {
  EXPECT_EQ(every_message().size(), std::variant_size_v<Request> + std::variant_size_v<Response>);
  for (const test::Sample& sample : every_message()) {
    const std::size_t fields = sample.fields.required_ones.size() + sample.fields.optional_ones.size();
    EXPECT_TRUE(sample.differs_from_default || fields == 0) << sample.type;
    EXPECT_TRUE(sample.survives) << sample.type;
    // Type and id besides the fields, and no two of one name.
    EXPECT_EQ(sample.json.size(), fields + 2) << sample.type;
    EXPECT_EQ(sample.json["type"], sample.type);
    EXPECT_EQ(again(sample, sample.json), sample.json) << sample.type;
  }
}

TEST(Codec, AMissingRequiredFieldIsNamed) {
  int fields = 0;
  for (const test::Sample& sample : every_message()) {
    for (const std::string& field : sample.fields.required_ones) {
      for (const bool null : {false, true}) {
        Json message = sample.json;
        message.erase(field);
        if (null) message[field] = nullptr;
        const std::string error = error_of([&] { again(sample, message); });
        EXPECT_EQ(error.find(sample.type + "." + field + (null ? " must be " : " is missing; it must be ")), 0u)
            << sample.type << "." << field << ": " << error;
        ++fields;
      }
    }
  }
  EXPECT_GT(fields, 200);
}

TEST(Codec, AnIllTypedFieldIsNamed) {
  for (const test::Sample& sample : every_message()) {
    for (const auto* fields : {&sample.fields.required_ones, &sample.fields.optional_ones}) {
      for (const std::string& field : *fields) {
        Json message = sample.json;
        message[field] = Json{{"an", {{"object", 1}}}};
        const std::string error = error_of([&] { again(sample, message); });
        EXPECT_EQ(error.find(sample.type + "." + field + " must be "), 0u) << error;
      }
    }
  }
}

TEST(Codec, OptionalFieldsMayBeAbsentOrNull) {
  for (const test::Sample& sample : every_message()) {
    for (const std::string& field : sample.fields.optional_ones) {
      Json absent = sample.json;
      Json null = absent;
      absent.erase(field);
      null[field] = nullptr;
      EXPECT_EQ(again(sample, absent), again(sample, null)) << sample.type << "." << field;
      EXPECT_NE(again(sample, absent), sample.json) << sample.type << "." << field;
    }
  }
}

TEST(Codec, UnknownFieldsAreIgnored) {
  for (const test::Sample& sample : every_message()) {
    Json message = sample.json;
    message["app"] = Json{{"of", {1, "the", nullptr}}};
    EXPECT_EQ(again(sample, message), sample.json) << sample.type;
  }
}

TEST(Codec, FieldsHaveTheirDartNamesAndDefaults) {
  const auto load = std::get<LoadRWKVModel>(
      decode_request(json(R"({"type":"LoadRWKVModel","requestId":5,"modelPath":"/m","backend":"llamacpp",
                              "tokenizerPath":"","llamaCppNGpuLayers":0,"settings":{"weights":"copied"},
                              "extra":{"a":1}})"))
          .body);
  EXPECT_EQ(load.model_path, "/m");
  EXPECT_EQ(load.backend.name, "llama.cpp");
  EXPECT_EQ(load.llama_cpp_n_gpu_layers, 0);
  EXPECT_EQ(load.device, std::nullopt);
  EXPECT_EQ(load.settings, (std::map<std::string, std::string>{{"weights", "copied"}}));

  const auto generate =
      std::get<GenerateAsync>(decode_request(json(R"({"type":"GenerateAsync","prompt":"Once","modelID":3})")).body);
  EXPECT_EQ(generate.model_id, 3);
  EXPECT_EQ(generate.batch, 1);
  EXPECT_EQ(generate.max_length, std::nullopt);
  EXPECT_FALSE(generate.push);

  const auto role = std::get<SetResponseRole>(decode_request(json(R"({"type":"SetResponseRole","modelID":0})")).body);
  EXPECT_EQ(role.response_role, "Assistant");
  const auto puzzle = std::get<SudokuOthelloGenerate>(
      decode_request(json(R"({"type":"SudokuOthelloGenerate","prompt":"","modelID":-1})")).body);
  EXPECT_TRUE(puzzle.decode_stream);

  LoadModelSteps step;
  step.status = LoadingStatus::kLoaded;
  step.model_id = 2;
  EXPECT_EQ(to_text(encode(ResponseMessage{7, step})),
            R"({"modelID":2,"requestId":7,"status":"loaded","type":"LoadModelSteps"})");
  EXPECT_EQ(to_text(encode(ResponseMessage{std::nullopt, LoadedModelIDs{{0, 1}}})),
            R"({"loadedModelIDs":[0,1],"type":"LoadedModelIDs"})");
  Error error;
  error.message = "no";
  error.ret_val = -1;
  error.code = "busy";
  EXPECT_EQ(to_text(encode(ResponseMessage{1, error})),
            R"({"code":"busy","message":"no","requestId":1,"retVal":-1,"type":"Error"})");
}

TEST(Codec, ListsOfObjectsNameTheElement) {
  const char* text = R"({"type":"ChatBatchAsync","messages":[["a"],["b"]],"enableReasoning":false,
      "forceReasoning":false,"addGenerationPrompt":true,"batchSize":2,"modelID":0,"slotConfigs":[
      {"messages":["a"],"enableReasoning":true,"forceReasoning":false},
      {"messages":["b"],"enableReasoning":true,"forceReasoning":"yes"}]})";
  EXPECT_EQ(error_of([&] { decode_request(json(text)); }),
            "ChatBatchAsync.slotConfigs[1].forceReasoning must be true or false");
}

TEST(Codec, ErrorsSayWhatAFieldMustBe) {
  const auto error = [](const char* text) { return error_of([&] { decode_request(json(text)); }); };
  EXPECT_EQ(error(R"({"type":"ChatAsync","messages":["a",1]})"), "ChatAsync.messages must be a list of strings");
  EXPECT_EQ(error(R"({"type":"ChatBatchAsync","messages":["a"]})"),
            "ChatBatchAsync.messages must be a list of lists of strings");
  EXPECT_EQ(error(R"({"type":"Stop","modelID":"0"})"),
            "Stop.modelID must be an integer from -2147483648 to 2147483647");
  EXPECT_EQ(error(R"({"type":"Stop"})"),
            "Stop.modelID is missing; it must be an integer from -2147483648 to 2147483647");
  EXPECT_EQ(error(R"({"type":"Chat"})"), "There is no message of type 'Chat'; docs/PROTOCOL.md lists all");
  EXPECT_EQ(error(R"({"type":"Speed"})"), "There is no message of type 'Speed'; docs/PROTOCOL.md lists all");
  EXPECT_EQ(error(R"({"modelID":1})"), "A message must have a \"type\", the name of its class");
  EXPECT_EQ(error(R"({"type":5})"), "A message must have a \"type\", the name of its class");
  EXPECT_EQ(error("[]"), "A message must be a JSON object");
  EXPECT_EQ(error(R"({"type":"DumpLog","requestId":"1"})"), "requestId must be a 64-bit integer");
  EXPECT_EQ(error(R"({"type":"StartTTSWithProperties","ttsText":"","outputWavPath":"","age":"old"})"),
            "StartTTSWithProperties.age must be one of child, teenager, youth-adult, middle-aged, elderly");
}

TEST(Codec, EnumsAreUnderstoodByBothNames) {
  const auto age = [](const std::string& name) {
    Json message = encode(RequestMessage{1, test::filled<StartTTSWithProperties>()});
    message["age"] = name;
    return std::get<StartTTSWithProperties>(decode_request(message).body).age;
  };
  EXPECT_EQ(age("youth-adult"), TTSPropertyAge::kYouthAdult);
  EXPECT_EQ(age("youthAdult"), TTSPropertyAge::kYouthAdult);
  EXPECT_NE(error_of([&] { age("Youth-Adult"); }), "");
  EXPECT_EQ(to_string(TTSPropertyEmotion::kNoAgreement), "NO-AGREEMENT");
  EXPECT_EQ(to_string(LoadingStatus::kFailedInReleasing), "failedInReleasing");

  const auto backend = [](const std::string& name) {
    Json message = encode(RequestMessage{1, test::filled<LoadRWKVModel>()});
    message["backend"] = name;
    return std::get<LoadRWKVModel>(decode_request(message).body).backend.name;
  };
  EXPECT_EQ(backend("mtkNeuropilot7"), "mtk_np7");
  EXPECT_EQ(backend("webRwkv"), "web-rwkv");
  // Which backends there are is not the protocol's business.
  EXPECT_EQ(backend("abacus"), "abacus");
}

TEST(Codec, NumbersAreHeldToTheirRange) {
  const auto seed = [](const char* number) {
    return std::get<SetSeed>(
               decode_request(json((R"({"type":"SetSeed","modelID":0,"seed":)" + std::string(number) + "}").c_str()))
                   .body)
        .seed;
  };
  EXPECT_EQ(seed("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(seed("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
  for (const char* bad : {"9223372036854775808", "1e3", "1.0", "123456789012345678901234567890", "true", "\"1\""}) {
    EXPECT_EQ(error_of([&] { seed(bad); }), "SetSeed.seed must be a 64-bit integer") << bad;
  }
  const auto model = [](const char* number) {
    return std::get<Stop>(
               decode_request(json((R"({"type":"Stop","modelID":)" + std::string(number) + "}").c_str())).body)
        .model_id;
  };
  EXPECT_EQ(model("-2147483648"), std::numeric_limits<std::int32_t>::min());
  for (const char* bad : {"2147483648", "-2147483649", "18446744073709551615"}) {
    EXPECT_NE(error_of([&] { model(bad); }), "") << bad;
  }
}

TEST(Codec, NumbersThatAreNotWholeMayBeWrittenAsWhole) {
  const char* text = R"({"type":"SetSamplerParams","temperature":1,"topK":500,"topP":0.5,"presencePenalty":2,
      "frequencyPenalty":0.2,"penaltyDecay":0.99,"modelID":0})";
  const auto request = std::get<SetSamplerParams>(decode_request(json(text)).body);
  EXPECT_EQ(request.temperature, 1.0);
  EXPECT_EQ(request.top_k, 500.0);
  EXPECT_EQ(request.top_p, 0.5);
}

TEST(Codec, NumbersThatAreNotFiniteAreNeitherTakenNorSent) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(error_of([&] { encode(ResponseMessage{1, Speed{1.0, infinity, 0.0}}); }),
            "Speed.prefillSpeed is not a finite number");
  EXPECT_EQ(error_of([&] { encode(ResponseMessage{1, EvaluationResults{{std::nan("")}, {true}, {"a"}}}); }),
            "EvaluationResults.logits is not a finite number");
  Json request = encode(RequestMessage{1, test::filled<SetSamplerParams>()});
  request["topP"] = infinity;
  EXPECT_EQ(error_of([&] { decode_request(request); }), "SetSamplerParams.topP must be a finite number");
}

TEST(Codec, AMessageOfTooManyValuesIsRefused) {
  constexpr int kMost = 1000000;
  std::string many = "[0";
  for (int i = 2; i < kMost; ++i) many += ",0";
  EXPECT_EQ(parse_message(many + "]").size(), std::size_t{kMost - 1});
  EXPECT_EQ(error_of([&] { parse_message(many + ",0]"); }), "The message has more than 1000000 values");
}

// Quadratic parsing of lists of objects would take minutes here.
TEST(Codec, AListOfManyObjectsIsReadAtConstantCostEach) {
  std::string text = R"({"type":"GetModels","x":[)";
  for (int i = 0; i < 400000; ++i) text += "{},";
  EXPECT_EQ(json((text + R"({"a":[1,{"b":null}],"a":2}]})").c_str())["x"].back(), Json({{"a", 2}}));
}

TEST(Codec, TheIdOfABadMessageIsFound) {
  EXPECT_EQ(request_id_of(json(R"({"type":"None","requestId":9})")), 9);
  EXPECT_EQ(request_id_of(json(R"({"requestId":"9"})")), std::nullopt);
  EXPECT_EQ(request_id_of(json("[9]")), std::nullopt);
  EXPECT_EQ(decode_request(json(R"({"type":"DumpLog"})")).request_id, std::nullopt);
}

TEST(Codec, PortOptionsAreOffUnlessTheyAreGiven) {
  EXPECT_EQ(decode_port_options(json("{}")), PortOptions());
  PortOptions options;
  EXPECT_FALSE(options.push || options.notify_generation_end || options.stop_on_death || options.acknowledge);
  options.notify_generation_end = true;
  EXPECT_EQ(decode_port_options(json(R"({"notifyGenerationEnd":true})")), options);
  EXPECT_EQ(decode_port_options(encode(options)), options);
  EXPECT_EQ(error_of([&] { decode_port_options(json(R"({"push":1})")); }), "PortOptions.push must be true or false");
}

TEST(Codec, WhatIsNotBuiltSaysSo) {
  static_assert(Unsupported<StartTTS> && Unsupported<LoadSparkTTSModels>);
  static_assert(!Unsupported<ChatAsync> && !Unsupported<GetIsGenerating> && !Unsupported<Speed>);
  EXPECT_EQ(StartTTS::kUnsupportedUntil, "speech output is built");
}

}  // namespace
}  // namespace rwkv::protocol
