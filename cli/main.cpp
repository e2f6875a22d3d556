// The `rwkv` command. Each command lives in its own command_*.cpp.
#include <cstdio>
#include <exception>

#include "options.h"
#include "terminal.h"

int main(int argc, char** argv) {
  using namespace rwkv::cli;
  argv = prepare(argc, argv);
  CLI::App app{"RWKV language models on this device", "rwkv"};
  app.set_version_flag("--version", RWKV_VERSION);
  app.require_subcommand(1);
  app.footer("Exit codes: 0 success, 1 failure, 2 wrong usage, 3 missing or bad file, 130 interrupted.");
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
    app.parse(argc, argv);
    return result_code();
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? kExitOk : kExitUsage;
  } catch (const rwkv::Error& error) {
    std::fprintf(stderr, "rwkv: %s\n", error.what());
    return exit_code(error);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rwkv: %s\n", error.what());
    return kExitFailure;
  }
}
