// Asks a model a question. Usage: consumer_cpp MODEL
#include <rwkv_bridge.h>
#include <rwkv_mobile.hpp>

#include <exception>
#include <iostream>
#include <string>

int main(int argc, char** argv) {
  try {
    if (rwkv_bridge_abi_version() != RWKV_BRIDGE_ABI_VERSION ||
        std::string(rwkv_bridge_version()) != RWKV_BRIDGE_VERSION)
      throw std::runtime_error("the headers are not those of the library");
    rwkv_mobile::Runtime runtime;
    rwkv_mobile::Model model = runtime.load(argc > 1 ? argv[1] : "");
    model.set_sampler({1.0f, 1, 1.0f});
    model.chat({"What is 47+38?"}, 20);
    model.wait();
    std::cout << model.response().text << '\n';
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
