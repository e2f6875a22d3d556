/* Unloads the library while its model writes, loads it again, and leaves: unload LIBRARY MODEL. */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <string.h>
#include <time.h>

typedef void* (*init_function)(void);
typedef int (*load_function)(void*, const char*, const char*, const char*);
typedef int (*complete_function)(void*, int, const char*, int, int, void*, int);

static void* find(void* library, const char* name) { return dlsym(library, name); }

int main(int argc, char** argv) {
  for (int round = 0; argc == 3 && round < 5; ++round) {
    void* library = dlopen(argv[1], RTLD_NOW);
    if (library == NULL) return 1;
    init_function init;
    load_function load;
    complete_function complete;
    void* const functions[] = {find(library, "rwkvmobile_runtime_init"), find(library, "rwkvmobile_runtime_load_model"),
                               find(library, "rwkvmobile_runtime_gen_completion_async")};
    memcpy(&init, &functions[0], sizeof init);
    memcpy(&load, &functions[1], sizeof load);
    memcpy(&complete, &functions[2], sizeof complete);
    void* runtime = init();
    if (load(runtime, argv[2], "", "") != 0) return 2;
    if (complete(runtime, 0, "unload", 1000000, -1, NULL, 0) != 0) return 3;
    const struct timespec some = {0, 10000000};
    nanosleep(&some, NULL);
    if (dlclose(library) != 0) return 4;
  }
  return 0;
}
