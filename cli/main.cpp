// The `rwkv` command. Each command lives in its own command_*.cpp.
#include <exception>
#include <string>
#include <string_view>

#include "engine/registry.h"
#include "options.h"
#include "terminal.h"

namespace rwkv::cli {
namespace {

// Words that nobody knows explain more than what is missing because of them.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> unknown = app.remaining(true);
  const bool by_words = error.get_name() == "ExtrasError" || error.get_name() == "RequiredError";
  if (!by_words || unknown.empty()) return error.what();
  const bool in_command = !app.get_subcommands().empty();
  if (in_command || unknown.front().starts_with('-')) {
    const bool model = unknown.front().ends_with(".gguf");
    return "unknown argument '" + unknown.front() + (model ? "'; a model is named with -m" : "'");
  }
  return "there is no command '" + unknown.front() + "'";
}

// Before anything is parsed: a check of --backend already looks at what there is.
void choose_backend_folder(int argc, char** argv) {
  constexpr std::string_view kOption = "--backend-dir";
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == kOption && i + 1 < argc) return set_backend_folder(argv[i + 1]);
    if (argument.starts_with(kOption) && argument.substr(kOption.size()).starts_with('=')) {
      return set_backend_folder(std::string(argument.substr(kOption.size() + 1)));
    }
  }
}

int run(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return result_code();
  } catch (const CLI::Success& wish) {  // --help, --version
    app.exit(wish);
    return kExitOk;
  } catch (const CLI::ParseError& error) {
    const std::vector<CLI::App*> commands = app.get_subcommands();
    print_error(explain(app, error) + "\n'rwkv " + (commands.empty() ? "" : commands.front()->get_name() + " ") +
                "--help' says what there is.");
    return kExitUsage;
  }
}

}  // namespace
}  // namespace rwkv::cli

int main(int argc, char** argv) {
  using namespace rwkv::cli;
  argv = prepare(argc, argv);
  CLI::App app{"RWKV language models on this device", "rwkv"};
  app.set_version_flag("--version", RWKV_VERSION);
  app.require_subcommand(1);
  app.footer("Exit codes: 0 success, 1 failure, 2 wrong usage, 3 missing, bad or foreign file, 130 interrupted.");
  app.fallthrough();  // options of the program may stand after the command
  std::string backend_folder;
  app.add_option("--backend-dir", backend_folder,
                 "Folder with backends that are libraries of their own (default: RWKV_BACKEND_DIR)");
  add_info(app);
  add_chat(app);
  add_listen(app);
  add_generate(app);
  add_tokenize(app);
  add_logits(app);
  add_bench(app);
  add_eval(app);
  add_backends(app);
  add_bridge(app);
  add_pull(app);
  add_serve(app);
  add_convert(app);
  catch_interrupts();
  try {
    choose_backend_folder(argc, argv);
    const int code = run(app, argc, argv);
    flush_output();
    return code;
  } catch (...) {
    const rwkv::Error error = rwkv::caught_error();
    print_error(error.what());
    return exit_code(error);
  }
}
