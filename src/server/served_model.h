// A model as a server offers it.
#pragma once

#include <string>

#include "runtime/language_model.h"

namespace rwkv::server {

struct ServedModel {
  std::string name;                // what requests call it, and `model` in answers
  LanguageModel* model = nullptr;  // outlives the server; others may use it meanwhile
  ChatFormat format;
  /// Of requests that say nothing of their own.
  GenerationOptions defaults;
};

}  // namespace rwkv::server
