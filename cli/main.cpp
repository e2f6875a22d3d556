// The `rwkv` command. Each command lives in its own command_*.cpp.
#include <exception>

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
  add_info(app);
  add_chat(app);
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
    const int code = run(app, argc, argv);
    flush_output();
    return code;
  } catch (...) {
    const rwkv::Error error = rwkv::caught_error();
    print_error(error.what());
    return exit_code(error);
  }
}
