// A model as a server offers it.
#pragma once

#include <string>

#include "host/senses.h"
#include "runtime/language_model.h"

namespace rwkv::server {

struct ServedModel {
  std::string name;                // what requests call it, and `model` in answers
  LanguageModel* model = nullptr;  // outlives the server; others may use it meanwhile
  /// Its encoders; null: it takes text alone. Outlives the server.
  const host::Senses* senses = nullptr;
  ChatFormat format;
  /// Of requests that say nothing of their own.
  GenerationOptions defaults;
  /// Thoughts of chats go into `reasoning_content` instead of standing in `<think>` tags in `content`.
  bool separates_thoughts = false;
};

}  // namespace rwkv::server
