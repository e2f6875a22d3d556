/* clang-format off */
/* The bridge: typed JSON messages between an app and the process-wide RWKV runtime.
 *
 * A port is one client's end. Requests go in with rwkv_bridge_send, responses come out through the function or the Dart
 * port given at opening. docs/PROTOCOL.md lists all messages.
 *
 * Lifetime contract
 *  - A runtime is found by its name, made when first asked for, and shared by all ports opened under that name. It owns
 *    the loaded models and the running generations; ports come and go.
 *  - Closing the last open port ends the runtime: generations are cancelled, models released. A Dart port whose isolate
 *    has died (hot restart) is noticed at the next message and dropped, but does not end the runtime: a new port attaches
 *    under the same name, asks GetModels, and goes on (SubscribeGeneration).
 *  - Everything passed in is copied before the call returns. Strings handed out are static, or freed as said.
 *
 * Threads
 *  - Every function may be called from any thread at any time and returns within a few milliseconds. The work happens on
 *    threads of the runtime.
 *  - Callbacks come from one thread of the runtime, one after another. They may send requests and open or close ports; they
 *    should not wait for anything. After rwkv_bridge_close has returned no callback of that port begins, and none is
 *    running unless the closing call was made from within it.
 *
 * Process
 *  - A program may leave main or call exit(), in a callback too, while models load and generate. From then on no callback
 *    begins, and the exit waits at most a second for one that runs. In a language whose callbacks die before that (Python),
 *    the program closes its ports first, for example in an atexit function.
 *  - The child of a fork has none of the parent's ports: calls with them return RWKV_BRIDGE_CLOSED at once. Ports that the
 *    child opens work. The parent is not disturbed.
 *  - dlclose never unloads the library; running work goes on.
 *  - The library handles no signal but SIGBUS within its own mappings. It repeats a system call that a signal interrupts.
 *    Where `ulimit -f` may be reached, ignore SIGXFSZ: writing then fails with an error instead of ending the process.
 *  - Model files are mapped: replace one by renaming another over it. After a file was cut or written over while it was
 *    loaded, requests for its model end with `bad_file` (README.md, "Memory", says what that needs of a host that handles
 *    SIGBUS itself). Several processes may share a folder of the state cache and keep to its bound together.
 *
 * No function throws, aborts, exits or prints; where the engine itself runs out of memory it may abort (docs/OUT_OF_MEMORY.md).
 */
/* clang-format on */
#ifndef RWKV_BRIDGE_H
#define RWKV_BRIDGE_H

#include <stddef.h>
#include <stdint.h>

#if defined(rwkv_mobile_EXPORTS) && defined(_WIN32)
#define RWKV_BRIDGE_API __declspec(dllexport)
#elif defined(_WIN32)
#define RWKV_BRIDGE_API __declspec(dllimport)
#else
#define RWKV_BRIDGE_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when a function or the meaning of one changes. A binding compares it with rwkv_bridge_abi_version() before
 * anything else and names both numbers and rwkv_bridge_version() when they differ. */
#define RWKV_BRIDGE_ABI_VERSION 1

RWKV_BRIDGE_API int32_t rwkv_bridge_abi_version(void);

/* The version of this header; rwkv_bridge_version() gives that of the library. */
#define RWKV_BRIDGE_VERSION "0.1.0"

/* The library's version, "MAJOR.MINOR.PATCH". Static. */
RWKV_BRIDGE_API const char* rwkv_bridge_version(void);

/* A port, above 0. Errors are negative. */
typedef int64_t rwkv_bridge_port;

enum {
  RWKV_BRIDGE_BAD_ARGUMENT = -1, /* a null pointer, or options that are not what docs/PROTOCOL.md says */
  RWKV_BRIDGE_NO_MEMORY = -2,
  RWKV_BRIDGE_CLOSED = -3, /* no such port, or it is closed */
  RWKV_BRIDGE_INTERNAL = -4,
  RWKV_BRIDGE_BUSY = -5 /* not now: see the function */
};

/* Receives one message: `length` bytes of UTF-8, valid during the call, not NUL-terminated. */
typedef void (*rwkv_bridge_on_message)(const char* json, size_t length, void* user_data);

/* clang-format off */
/* Attaches to the runtime `name` (null: "default"). `options`: null or a JSON object of the port's options:
 *   "push": true                  every generation this port starts is pushed to it (GenerationDelta, ...)
 *   "notifyGenerationEnd": true   GenerateStop is sent at a natural end too
 *   "stopOnDeath": true           generations this port started are stopped when it is found dead or closed
 *   "onlyNew": true               what is pushed leaves out what the request gave itself
 *   "keepLoads": true             a model stays that ends loading after the port is closed or found dead
 *   "acknowledge": true           RequestDone follows the last answer to each request
 * Returns the port. */
/* clang-format on */
RWKV_BRIDGE_API rwkv_bridge_port rwkv_bridge_open(const char* name, const char* options,
                                                  rwkv_bridge_on_message on_message, void* user_data);

/* The same for a Dart isolate. `native_port` is SendPort.nativePort, `post_cobject` NativeApi.postCObject of dart:ffi.
 * Each message arrives as a Uint8List of its own; an empty one only asks whether the isolate is still there. */
RWKV_BRIDGE_API rwkv_bridge_port rwkv_bridge_open_dart(const char* name, const char* options, int64_t native_port,
                                                       void* post_cobject);

/* Queues one request: a JSON object of `length` bytes. A request of more than 64 MiB is a bad argument; other mistakes
 * in a request are answered by a message. The ports of a runtime are served in turn, the requests of one port in their
 * order. Returns 0 or an error above. RWKV_BRIDGE_BUSY means that the request was not queued, because more than 64 MiB
 * of the port's requests would wait (each counts 128 bytes more than its length). */
RWKV_BRIDGE_API int32_t rwkv_bridge_send(rwkv_bridge_port port, const char* json, size_t length);

/* Closes a port. Its requests that the runtime has not begun to serve are dropped without an answer; a client that
 * wants them served waits for the answer to the last one first (the option "acknowledge" gives each request an end,
 * RequestDone). Requests that were begun go on, or end with the runtime. If the port was the runtime's last, the
 * runtime ends in the background; with `wait` not 0 the call returns when the runtime has ended. In a callback such a
 * call would wait for itself: it returns RWKV_BRIDGE_BUSY and the port stays open. Returns 0, RWKV_BRIDGE_CLOSED or
 * RWKV_BRIDGE_BUSY. */
RWKV_BRIDGE_API int32_t rwkv_bridge_close(rwkv_bridge_port port, int32_t wait);

/* Memory for bindings that have no allocator of their own. Null when there is none; free(null) does nothing. */
RWKV_BRIDGE_API void* rwkv_bridge_alloc(size_t bytes);
RWKV_BRIDGE_API void rwkv_bridge_free(void* memory);

/* How many objects of the bridge are alive in this process: runtimes, ports, models. 0 after everything was closed with
 * `wait`; for leak checks. */
RWKV_BRIDGE_API int64_t rwkv_bridge_live_objects(void);

#ifdef __cplusplus
}
#endif
#endif
