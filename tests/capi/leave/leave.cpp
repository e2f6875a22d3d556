// A program that leaves main while a model writes: leave MODE MODEL.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "rwkv_bridge.h"
#include "rwkv_mobile.h"
#include "rwkv_mobile.hpp"

namespace {

constexpr int kEndless = 1000000;

std::unique_ptr<rwkv_mobile::Runtime> global;  // made before the engine's statics, so destroyed after them
std::string heard(1000, ' ');                  // what callbacks use

void on_token(const char*, int, const char* text) { heard += text; }

void on_message(const char* json, std::size_t length, void*) { heard.assign(json, length); }

void on_message_leave(const char*, std::size_t, void*) { std::exit(0); }

void send(rwkv_bridge_port port, const std::string& json) { rwkv_bridge_send(port, json.data(), json.size()); }

rwkv_bridge_port write_by_bridge(const std::string& model, rwkv_bridge_on_message callback) {
  const rwkv_bridge_port port = rwkv_bridge_open("leave", R"({"push":true})", callback, nullptr);
  send(port, R"({"type":"LoadRWKVModel","backend":"llama.cpp","tokenizerPath":"","modelPath":")" + model + "\"}");
  send(port, R"({"type":"GenerateAsync","modelID":0,"prompt":"leave","maxLength":1000000,"stopToken":-1})");
  return port;
}

// 0: what the parent had is answered as unknown at once, and new things work.
int in_child(rwkv_bridge_port port, rwkvmobile_runtime_t runtime, const char* model) {
  const char* request = R"({"type":"GetModels"})";
  if (rwkv_bridge_send(port, request, std::strlen(request)) != RWKV_BRIDGE_CLOSED) return 1;
  if (rwkv_bridge_close(port, 1) != RWKV_BRIDGE_CLOSED) return 2;
  if (rwkvmobile_runtime_gen_completion(runtime, 0, "x", 2, -1, on_token, 0) != RWKV_ERROR_INVALID_PARAMETERS) return 3;
  if (rwkvmobile_runtime_release(runtime) != RWKV_ERROR_INVALID_PARAMETERS) return 4;
  if (rwkv_bridge_live_objects() != 0) return 5;
  const rwkvmobile_runtime_t fresh = rwkvmobile_runtime_init();
  if (rwkvmobile_runtime_load_model(fresh, model, "", "") != 0) return 6;
  if (rwkvmobile_runtime_gen_completion(fresh, 0, "x", 2, -1, on_token, 0) != RWKV_SUCCESS) return 7;
  return rwkvmobile_runtime_release(fresh);
}

int fork_while_writing(rwkv_bridge_port port, rwkvmobile_runtime_t runtime, const char* model) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    _exit(in_child(port, runtime, model));
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status)) return 20;
  if (WEXITSTATUS(status) != 0) return WEXITSTATUS(status);
  return rwkv_bridge_close(port, 1) == 0 && rwkvmobile_runtime_release(runtime) == RWKV_SUCCESS ? 0 : 21;
}

}  // namespace

int main(int, char** argv) {
  const std::string mode = argv[1];
  const char* model = argv[2];
  if (mode == "bridge") {
    write_by_bridge(model, on_message);
  } else if (mode == "exit-in-callback") {
    write_by_bridge(model, on_message_leave);
    std::this_thread::sleep_for(std::chrono::seconds(20));
    return 22;
  } else if (mode == "global") {
    global = std::make_unique<rwkv_mobile::Runtime>();
    const rwkvmobile_runtime_t runtime = global->handle();
    if (rwkvmobile_runtime_load_model(runtime, model, "", "") != 0) return 23;
    rwkvmobile_runtime_gen_completion_async(runtime, 0, "leave", kEndless, -1, on_token, 0);
  } else {
    const rwkvmobile_runtime_t runtime = rwkvmobile_runtime_init();
    if (rwkvmobile_runtime_load_model(runtime, model, "", "") != 0) return 24;
    if (mode == "blocking") {
      std::thread([=] { rwkvmobile_runtime_gen_completion(runtime, 0, "leave", kEndless, -1, on_token, 0); }).detach();
    } else {
      rwkvmobile_runtime_gen_completion_async(runtime, 0, "leave", kEndless, -1, mode == "polling" ? nullptr : on_token,
                                              0);
    }
    if (mode == "fork") return fork_while_writing(write_by_bridge(model, on_message), runtime, model);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(60 + getpid() % 20));
  return 0;
}
