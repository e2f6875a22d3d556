/* clang-format off */
/* The C interface of the RWKV runtime: the 102 functions, the structures and the constants that clients of rwkv-mobile
 * (interface of April 2026) bind by name, so that such a client runs on this library when its file is replaced. Functions
 * of our own begin with `rwkv_ext_` and stand at the end. rwkv_mobile.hpp wraps all this for C++; rwkv_bridge.h is the
 * other interface of the same library: typed messages, pushed instead of polled.
 *
 * Lifetime contract
 *  - A runtime handle is valid from rwkvmobile_runtime_init to rwkvmobile_runtime_release, a model id from the load to
 *    rwkvmobile_runtime_release_model. Handles are numbers that are never given out again, not addresses: the library
 *    recognises a null, released or made-up handle and treats it like null. Ids count a runtime's loads, from 0 on, and
 *    are never given again either: the id of a released model names no later one.
 *  - Releasing a model or a runtime that loads or generates stops that work, waits for its end and frees everything.
 *    When the release has returned, no callback of that model begins. A callback itself cannot release
 *    (RWKV_ERROR_RUNTIME): it would wait for its own end. Do not hold a lock that a callback takes while you release.
 *  - Strings, arrays and structures passed in are copied before a call returns, in all calls, the `_async` ones
 *    included.
 *  - A result belongs to the caller where its function names another one that frees it; that one also takes structures
 *    of zeros. Every other result belongs to the library and lives as long as its function says. "Until the next call"
 *    means the next call of that function from the same thread: other threads do not disturb it.
 *
 * Threads
 *  - Every function may be called from any thread at any time. A function that evaluates on the calling thread says
 *    "Blocks"; the releases wait as said above; all others return at once, also while a model loads or generates.
 *  - A model runs one generation at a time: a start while it generates is refused (RWKV_ERROR_RUNTIME). Functions that
 *    only evaluate run beside it. Different models and runtimes are independent.
 *
 * Errors
 *  - An `int` result is 0 or an OR of the RWKV_ERROR bits below, if its function does not say otherwise. The usual
 *    ones:
 *      4     EVAL: the backend failed while computing
 *      8     INVALID_PARAMETERS: a null, released or made-up runtime, a null pointer, an impossible number
 *      256   RUNTIME: the model or the runtime is busy, or the call was stopped
 *      257   RUNTIME | IO: a file is missing, damaged or cannot be written
 *      264   RUNTIME | INVALID_PARAMETERS: no model with that id, or a value that does not fit it
 *      512   UNSUPPORTED: not in this build (speech, embedding, some kinds of files)
 *      1024  ALLOC: no memory, or the buffer is too small
 *    rwkv_ext_last_error says in words what went wrong, and so does the log (rwkvmobile_dump_log). The words are kept
 *    for each runtime, not for each thread: where several threads or models fail at once, they tell the last failure.
 *  - Functions without such a result give null, zeros or an empty string, as they say.
 *  - No function throws, aborts, exits or prints; where the engine itself runs out of memory it may abort (docs/OUT_OF_MEMORY.md).
 *
 * Process
 *  - A program may leave main or call exit() while models load and generate. The child of a fork has none of the
 *    parent's runtimes: their handles count as null there, new ones work. dlclose never unloads the library.
 *  - Model files are mapped: replace one by renaming another over it. Several processes may share a folder of states.
 *    rwkv_bridge.h and README.md say more about signals and files that change; it is the same library.
 *
 * Text is UTF-8 with a NUL at its end. Results are always valid UTF-8 and are never cut inside a character.
 */
/* clang-format on */
#ifndef RWKV_MOBILE_H
#define RWKV_MOBILE_H

#include <stdint.h>

#if defined(rwkv_mobile_EXPORTS) && defined(_WIN32)
#define RWKV_MOBILE_API __declspec(dllexport)
#elif defined(_WIN32)
#define RWKV_MOBILE_API __declspec(dllimport)
#else
#define RWKV_MOBILE_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version that this header is of, as text and as 10000 * major + 100 * minor + patch. */
#define RWKV_MOBILE_VERSION "0.1.0"
#define RWKV_MOBILE_VERSION_NUMBER 100

/* ---- Constants ---- */

enum {
  RWKV_SUCCESS = 0,
  RWKV_ERROR_IO = 1 << 0,
  RWKV_ERROR_INIT = 1 << 1,
  RWKV_ERROR_EVAL = 1 << 2,
  RWKV_ERROR_INVALID_PARAMETERS = 1 << 3,
  RWKV_ERROR_BACKEND = 1 << 4,
  RWKV_ERROR_MODEL = 1 << 5,
  RWKV_ERROR_TOKENIZER = 1 << 6,
  RWKV_ERROR_SAMPLER = 1 << 7,
  RWKV_ERROR_RUNTIME = 1 << 8,
  RWKV_ERROR_UNSUPPORTED = 1 << 9,
  RWKV_ERROR_ALLOC = 1 << 10,
  RWKV_ERROR_RELEASE = 1 << 11
};

/* The language in which an answer begins (its first three tokens). Any other value counts as none. */
enum { FORCE_LANG_NONE = 0, FORCE_LANG_CHN = 1, FORCE_LANG_EN = 2 };

enum { RWKV_LOG_LEVEL_DEBUG = 0, RWKV_LOG_LEVEL_INFO = 1, RWKV_LOG_LEVEL_WARN = 2, RWKV_LOG_LEVEL_ERROR = 3 };

/* Batch slots with sampling settings of their own: 0 to 31. */
enum { RWKV_BATCH_SLOTS = 32 };

/* ---- Types ---- */

/* An opaque number, not an address. */
typedef void* rwkvmobile_runtime_t;
typedef void* rwkvmobile_server_t;

struct sampler_params {
  float temperature; /* clamped to 0.1 .. 5 when used */
  int top_k;         /* 1: always the most likely token; 0 or less: no limit */
  float top_p;       /* applied after top_k and temperature; 0: always the most likely token */
};

/* In logits, subtracted from tokens of the answer so far. */
struct penalty_params {
  float presence_penalty;  /* once for each token that occurred */
  float frequency_penalty; /* for each occurrence */
  float penalty_decay;     /* factor on all occurrences, a generated token */
};

struct token_ids {
  int32_t* ids;
  int len;
};

/* A value counts only if its has_ flag is not 0. */
struct rwkvmobile_server_config {
  const char* host;
  int port;    /* 0: any free one */
  int threads; /* requests that generate at once; 0: the default */
  const char* model_name;
  int default_max_tokens;
  float temperature;
  int top_k;
  float top_p;
  float presence_penalty;
  float frequency_penalty;
  float penalty_decay;
  int has_temperature;
  int has_top_k;
  int has_top_p;
  int has_presence_penalty;
  int has_frequency_penalty;
  int has_penalty_decay;
};

struct response_buffer {
  char* content; /* `length` bytes and a NUL */
  int length;
  int eos_found; /* 1: the model ended the answer itself (end of text, stop text or stop token); else 0 */
};

/* Each array has batch_size elements. */
struct response_buffer_batch {
  char** contents;
  int* lengths;
  int* eos_founds;
  int batch_size;
};

struct tts_streaming_buffer {
  float* samples; /* 16 kHz, mono, -1 .. 1 */
  int length;
};

struct supported_batch_sizes {
  int* sizes; /* ascending */
  int length;
};

/* No string is null. */
struct model_info {
  int model_id;
  char* model_path;
  char* backend_name;
  char* tokenizer_path;
  char* user_role;
  char* response_role;
  char* bos_token;
  char* eos_token;
  char* thinking_token;
  int is_generating;
  int vocab_size; /* number of logits */
};

struct loaded_models_list {
  struct model_info* models; /* by ascending id */
  int count;
};

/* Each array has `count` elements, 1 for a single evaluation and 0 for a failed one. */
struct evaluation_results {
  int32_t* corrects;  /* 1: every target token was the most likely one */
  float* logits_vals; /* natural logarithm of the target's probability */
  int count;
  char** output_texts; /* the most likely tokens in place of the target's */
};

struct batch_tokens_count {
  int32_t* counts;
  int batch_size;
};

/* Structures for the `extra` of a load, each for one backend. */
struct web_rwkv_args {
  int quant_type;   /* 0 none, 1 int8, 2 nf4, 3 sf4 */
  int quant_layers; /* how many layers, from the first */
};
struct llama_cpp_args {
  int n_gpu_layers; /* below 0: the backend's choice */
};
struct coreml_args {
  int load_prefill_async;
  int async_prefill_decode_load_threshold_ms;
};

/* Called for each new token of an answer: the text so far (as the response buffer has it), the token, and what it added
 * to the text, which may be nothing while a character or a stop text is unfinished. A last call with token -1 brings
 * text that was held back at the end. The pointers are valid during the call. As in rwkv-mobile, the caller has no
 * pointer of its own among them: a client that runs several generations at once and has to tell them apart polls, or
 * uses the other interface (rwkv_bridge.h). */
typedef void (*rwkvmobile_on_token)(const char* full_text, const int token_id, const char* new_text);

/* The same for a batch: arrays of batch_size elements. Slots that the call is not about have token -1 and "" as new
 * text. */
typedef void (*rwkvmobile_on_batch_tokens)(const int batch_size, const char** full_texts, const int* token_ids,
                                           const char** new_texts);

/* The batch chat's force_lang: a FORCE_LANG constant for all slots, or, as later clients pass it, the address of an
 * array of them, one a slot (null: none). The two are told apart by their size; on Apple's ARM systems, which pass them
 * in different places, it is the constant. */
#if defined(__APPLE__) && defined(__aarch64__)
typedef int rwkvmobile_force_lang;
#else
typedef intptr_t rwkvmobile_force_lang;
#endif

/* ---- Runtime ---- */

/* Writes the names of the backends that can run here, with a comma after each (`llama.cpp,`), and a NUL; at most 63
 * bytes. 8: null buffer or size below 1; 1024: the buffer is too small, and nothing is written. */
RWKV_MOBILE_API int rwkvmobile_runtime_get_available_backend_names(char* backend_names_buffer, int buffer_size);

/* A new runtime without models; null when there is no memory. There may be several. Free with
 * rwkvmobile_runtime_release. */
RWKV_MOBILE_API rwkvmobile_runtime_t rwkvmobile_runtime_init(void);

/* Stops what the runtime does, waits for it and frees it with its models. See the lifetime contract. */
RWKV_MOBILE_API int rwkvmobile_runtime_release(rwkvmobile_runtime_t runtime);

/* ---- Models ---- */

/* clang-format off */
/* Loads a model: the file, a backend's name (empty or "auto": the one that suits the file best; see
 * rwkv_ext_set_stand_in), and a vocabulary file (empty: the list inside the model file). Returns the model's id, 0 or more, or a negative number:
 *   -8      a null argument or no such runtime
 *   -1      no such backend in this build, or the vocabulary file cannot be used
 *   -33     the model file is missing, unreadable, damaged, or does not go with the vocabulary file
 *   -1024   it does not fit into memory, or into what rwkv_ext_set_memory_budget allows
 *   others  the negative of RWKV_ERROR bits
 * Blocks for as long as it takes; rwkvmobile_runtime_release ends it. */
/* clang-format on */
RWKV_MOBILE_API int rwkvmobile_runtime_load_model(rwkvmobile_runtime_t runtime, const char* model_path,
                                                  const char* backend_name, const char* tokenizer_path);

/* The same with `extra`, which points to the structure of the named backend or is null. It is read only for a backend
 * that takes one (`llama.cpp`: struct llama_cpp_args), and only during the call. */
RWKV_MOBILE_API int rwkvmobile_runtime_load_model_with_extra(rwkvmobile_runtime_t runtime, const char* model_path,
                                                             const char* backend_name, const char* tokenizer_path,
                                                             void* extra);

/* Starts such a load in the background. 0: started; 256: this runtime is loading in the background already. */
RWKV_MOBILE_API int rwkvmobile_runtime_load_model_async(rwkvmobile_runtime_t runtime, const char* model_path,
                                                        const char* backend_name, const char* tokenizer_path);

/* The same with `extra`, which is copied before the call returns. */
RWKV_MOBILE_API int rwkvmobile_runtime_load_model_with_extra_async(rwkvmobile_runtime_t runtime, const char* model_path,
                                                                   const char* backend_name, const char* tokenizer_path,
                                                                   void* extra);

/* 1 while a background load runs, else 0 (also for null). */
RWKV_MOBILE_API int rwkvmobile_runtime_is_loading_model(rwkvmobile_runtime_t runtime);

/* How the last background load ended: 0 and the model's id, or the negative number that
 * rwkvmobile_runtime_load_model would have returned, and -1; 0 and -1 before the first. Leaves both untouched while one
 * runs and for a null argument. */
RWKV_MOBILE_API void rwkvmobile_runtime_get_load_model_status(rwkvmobile_runtime_t runtime, int* result_code,
                                                              int* model_id);

/* The share of the running load that is done, 0 to 1, as the backend tells it; 1 when nothing is loading, -1 for null.
 */
RWKV_MOBILE_API float rwkvmobile_runtime_get_load_model_progress(rwkvmobile_runtime_t runtime);

/* Stops what the model does, waits for it and frees it; its id names no model from then on. See the lifetime
 * contract. 8 for a negative id, 264 for an unknown one. */
RWKV_MOBILE_API int rwkvmobile_runtime_release_model(rwkvmobile_runtime_t runtime, int model_id);

/* Writes the ids of at most max_count loaded models, ascending, and returns how many; 0 for null or max_count below 1.
 */
RWKV_MOBILE_API int rwkvmobile_runtime_get_loaded_model_ids(rwkvmobile_runtime_t runtime, int* model_ids,
                                                            int max_count);

/* All loaded models with their settings; {null, 0} without any. Free with
 * rwkvmobile_runtime_free_loaded_models_list. */
RWKV_MOBILE_API struct loaded_models_list rwkvmobile_runtime_get_loaded_models_info(rwkvmobile_runtime_t runtime);
RWKV_MOBILE_API void rwkvmobile_runtime_free_loaded_models_list(struct loaded_models_list list);

/* The path from which the model was loaded, "" for an unknown id, null for a null runtime. Lives as long as the
 * runtime. */
RWKV_MOBILE_API const char* rwkvmobile_runtime_get_model_path_by_id(rwkvmobile_runtime_t runtime, int model_id);

/* Writes the tensors of a PyTorch checkpoint as halves in safetensors, in the form that the web-rwkv family reads. The
 * file appears when it is whole. Blocks, for as long as the disk takes. 8 for null; 272 when a file cannot be read or
 * written or is no such checkpoint. */
RWKV_MOBILE_API int rwkvmobile_convert_pth_to_safetensors(const char* pth_path, const char* st_path);

/* ---- Generation ----
 *
 * A generation is started by one of the functions below, polled with rwkvmobile_runtime_is_generating and
 * rwkvmobile_runtime_get_response_buffer_content(_batch), and ended by the model, by max_tokens, by
 * rwkvmobile_runtime_stop_generation or by an error, which rwkv_ext_end_reason tells apart. It takes the model's
 * settings at its start. max_tokens is the largest number of new tokens; 0 only evaluates the text into the state
 * cache, so that the next call with the same text starts at once.
 *
 * When a start has returned 0, is_generating is 1; when is_generating has become 0, the response buffer is final. The
 * callback is called on a thread of the model, one call after another; it may call every function but the releases.
 * A null callback: poll.
 *
 * Errors of the starts: 8 for null pointers (elements of arrays too), counts below 1 and negative max_tokens; 264; 256
 * while the model generates. */

/* clang-format off */
/* Continues a chat. inputs[0 .. num_inputs-1] are the contents of the messages, user first, then assistant and user in
 * turn. With add_generation_prompt not 0, the other side's answer to the last message is written; with 0, the last
 * message itself is continued: so an even number of messages and 0 resumes the assistant's answer.
 *   enable_reasoning  the answer begins with the thinking token, and blank lines do not end a thinking block
 *   force_reasoning   that block does not stay empty
 *   force_lang        a FORCE_LANG constant
 * Note the order of the last two parameters. */
/* clang-format on */
RWKV_MOBILE_API int rwkvmobile_runtime_eval_chat_with_history_async(rwkvmobile_runtime_t runtime, int model_id,
                                                                    const char** inputs, const int num_inputs,
                                                                    const int max_tokens, rwkvmobile_on_token callback,
                                                                    int enable_reasoning, int force_reasoning,
                                                                    int force_lang, int add_generation_prompt);

/* Continues batch_size chats at once: inputs[b][0 .. num_inputs[b]-1] are the messages of chat b. Each answer depends
 * on its own chat and settings alone. 768 (RUNTIME | UNSUPPORTED) for a batch_size that is not among
 * rwkvmobile_runtime_get_supported_batch_sizes. */
RWKV_MOBILE_API int rwkvmobile_runtime_eval_chat_batch_with_history_async(
    rwkvmobile_runtime_t runtime, int model_id, const char*** inputs, const int* num_inputs, const int batch_size,
    const int max_tokens, rwkvmobile_on_batch_tokens callback_batch, int enable_reasoning, int force_reasoning,
    rwkvmobile_force_lang force_lang, int add_generation_prompt);

/* The batch sizes a model can run, 1 among them; {null, 0} for an unknown id. Free with
 * rwkvmobile_runtime_free_supported_batch_sizes. */
RWKV_MOBILE_API struct supported_batch_sizes rwkvmobile_runtime_get_supported_batch_sizes(rwkvmobile_runtime_t runtime,
                                                                                          int model_id);
RWKV_MOBILE_API void rwkvmobile_runtime_free_supported_batch_sizes(struct supported_batch_sizes sizes);

/* Continues a text as it stands (`<EOD>` in it is token 0). Ends after the token stop_code, which belongs to the
 * answer, or after max_tokens. A stop_code that no token has (-1) ends nothing; 0 is the end of a text. The response
 * buffer begins with the prompt. disable_cache not 0: the text is evaluated from the beginning and nothing is
 * remembered. */
RWKV_MOBILE_API int rwkvmobile_runtime_gen_completion_async(rwkvmobile_runtime_t runtime, int model_id,
                                                            const char* prompt, const int max_tokens,
                                                            const int stop_code, rwkvmobile_on_token callback,
                                                            int disable_cache);

/* The same for batch_size prompts at once. 768 as in the batch chat. */
RWKV_MOBILE_API int rwkvmobile_runtime_gen_completion_batch_async(rwkvmobile_runtime_t runtime, int model_id,
                                                                  const char** prompts, const int batch_size,
                                                                  const int max_tokens, const int stop_code,
                                                                  rwkvmobile_on_batch_tokens callback_batch,
                                                                  int disable_cache);

/* The completion on the calling thread, on which the callback is called as well; it must not be null. Blocks; another
 * thread may poll and stop it. A stopped one returns 0 like one that ended by itself. */
RWKV_MOBILE_API int rwkvmobile_runtime_gen_completion(rwkvmobile_runtime_t runtime, int model_id, const char* prompt,
                                                      const int max_tokens, const int stop_code,
                                                      rwkvmobile_on_token callback, int disable_cache);

/* The texts of the top_k tokens that are most likely to follow the prompt, the likeliest first; parts of characters are
 * replaced by U+FFFD. top_k strings, the library's until the next call and at most as long as the runtime. Null on an
 * error, and for top_k below 1 or above the vocabulary. Blocks; counts as generating and can be stopped. */
RWKV_MOBILE_API const char** rwkvmobile_runtime_gen_completion_singletoken_topk(rwkvmobile_runtime_t runtime,
                                                                                int model_id, const char* prompt,
                                                                                const int top_k);

/* Feeds tokens to the model's live state, which begins empty and which only this call advances and
 * rwkvmobile_runtime_clear_state empties, and writes the first min(logits_len, vocabulary) logits after the last one.
 * 8 for null pointers and lengths below 1 (ids_len above 2^20 too); 264 for an id outside the vocabulary. A failed call
 * changes nothing. Blocks. */
RWKV_MOBILE_API int rwkvmobile_runtime_eval_logits(rwkvmobile_runtime_t runtime, int model_id, const int* ids,
                                                   int ids_len, float* logits, int logits_len);

/* Asks what the model is doing (generation, evaluation, top-k; prefill too) to end. Returns at once; it ends within
 * milliseconds. 0, also for an idle model and an unknown id. */
RWKV_MOBILE_API int rwkvmobile_runtime_stop_generation(rwkvmobile_runtime_t runtime, int model_id);

/* 1 while the model generates, else 0; 0 for an unknown id, 8 for a null runtime. */
RWKV_MOBILE_API int rwkvmobile_runtime_is_generating(rwkvmobile_runtime_t runtime, int model_id);

/* The share of the current prompt that is evaluated, 0 to 1; stays 1 until the next start. 0 before the first and for
 * an unknown model. */
RWKV_MOBILE_API float rwkvmobile_runtime_get_prefill_progress(rwkvmobile_runtime_t runtime, int model_id);

/* Tokens per second of the current or last generation; a step of a batch counts as many tokens as it has slots. 0
 * before anything ran and for an unknown model. */
RWKV_MOBILE_API double rwkvmobile_runtime_get_avg_decode_speed(rwkvmobile_runtime_t runtime, int model_id);
RWKV_MOBILE_API double rwkvmobile_runtime_get_avg_prefill_speed(rwkvmobile_runtime_t runtime, int model_id);

/* ---- Chat settings of a model ----
 *
 * They hold from the next start on. 0, also for an unknown id except where 264 is named; 8 for null. Text of a chat:
 *   prompt, then for each message: bos_token, role, ":", a space if space_after_roles, content, and eos_token between
 *   messages. Blank lines in what the user wrote become line ends. */

/* The text before the first message (`System: ...` and a blank line). It is evaluated in the background, so that the
 * next chat starts at once. 264 for an unknown id. */
RWKV_MOBILE_API int rwkvmobile_runtime_set_prompt(rwkvmobile_runtime_t runtime, int model_id, const char* prompt);

/* Copies it with a NUL; "" for an unknown id. 8 for null or buf_len below 1; 1024 when it is longer than buf_len - 1
 * bytes: then as many whole characters as fit are written. */
RWKV_MOBILE_API int rwkvmobile_runtime_get_prompt(rwkvmobile_runtime_t runtime, int model_id, char* prompt,
                                                  const int buf_len);

/* Stands between messages and ends an answer. "" restores the default, a blank line. */
RWKV_MOBILE_API int rwkvmobile_runtime_set_eos_token(rwkvmobile_runtime_t runtime, int model_id, const char* eos_token);

/* Stands before every role. Default: nothing. */
RWKV_MOBILE_API int rwkvmobile_runtime_set_bos_token(rwkvmobile_runtime_t runtime, int model_id, const char* bos_token);

/* Defaults: `User`, `Assistant`. A message of an empty role is its content alone. */
RWKV_MOBILE_API int rwkvmobile_runtime_set_user_role(rwkvmobile_runtime_t runtime, int model_id, const char* user_role);
RWKV_MOBILE_API int rwkvmobile_runtime_set_response_role(rwkvmobile_runtime_t runtime, int model_id,
                                                         const char* response_role);

/* Whether a space stands after "ROLE:". Default: 1. */
RWKV_MOBILE_API int rwkvmobile_runtime_set_space_after_roles(rwkvmobile_runtime_t runtime, int model_id,
                                                             int space_after_roles);

/* What an answer with reasoning begins with. Default: `<think`. */
RWKV_MOBILE_API int rwkvmobile_runtime_set_thinking_token(rwkvmobile_runtime_t runtime, int model_id,
                                                          const char* thinking_token);

/* Tokens that are never chosen, in place of those before; a length of 0 allows all again (the pointer may be null
 * then). Ids outside the vocabulary do nothing. 8 for a negative length or one above 2^20. */
RWKV_MOBILE_API int rwkvmobile_runtime_set_token_banned(rwkvmobile_runtime_t runtime, int model_id,
                                                        const int* token_banned, int token_banned_len);

/* ---- Sampling settings of a model ----
 *
 * A slot is a place in a batch; single generations use slot 0. Setters for an unknown model or slot do nothing. A value
 * that is not a number or infinite is refused with a line in the log. */

/* Slot 0. Zeros for a null runtime; 1, 1, 1 for an unknown id. */
RWKV_MOBILE_API struct sampler_params rwkvmobile_runtime_get_sampler_params(rwkvmobile_runtime_t runtime, int model_id);
/* The nearest slot there is. */
RWKV_MOBILE_API struct sampler_params rwkvmobile_runtime_get_sampler_params_on_batch_slot(rwkvmobile_runtime_t runtime,
                                                                                          int model_id, int slot);
/* All slots. Defaults: temperature 1, top_k 128, top_p 0.5. */
RWKV_MOBILE_API void rwkvmobile_runtime_set_sampler_params(rwkvmobile_runtime_t runtime, int model_id,
                                                           struct sampler_params params);
RWKV_MOBILE_API void rwkvmobile_runtime_set_sampler_params_on_batch_slot(rwkvmobile_runtime_t runtime, int model_id,
                                                                         int slot, struct sampler_params params);

/* The same for penalties; zeros for an unknown id. Defaults: presence 2, frequency 0.2, decay 0.996. */
RWKV_MOBILE_API struct penalty_params rwkvmobile_runtime_get_penalty_params(rwkvmobile_runtime_t runtime, int model_id);
RWKV_MOBILE_API struct penalty_params rwkvmobile_runtime_get_penalty_params_on_batch_slot(rwkvmobile_runtime_t runtime,
                                                                                          int model_id, int slot);
RWKV_MOBILE_API void rwkvmobile_runtime_set_penalty_params(rwkvmobile_runtime_t runtime, int model_id,
                                                           struct penalty_params params);
RWKV_MOBILE_API void rwkvmobile_runtime_set_penalty_params_on_batch_slot(rwkvmobile_runtime_t runtime, int model_id,
                                                                         int slot, struct penalty_params params);

/* After a seed is set, the same generations in the same order give the same answers, in batches too. 264 for an unknown
 * id. */
RWKV_MOBILE_API int rwkvmobile_runtime_set_seed(rwkvmobile_runtime_t runtime, int model_id, int seed);
/* The seed that was set, or the random one the model began with; 0 for an unknown model. */
RWKV_MOBILE_API int rwkvmobile_runtime_get_seed(rwkvmobile_runtime_t runtime, int model_id);

/* ---- Results ----
 *
 * Of the current or the last generation. They stay until the next start. Single generations and batches have buffers of
 * their own. Texts only grow. */

/* The answer so far, for a completion with its prompt. Empty before the first start and for an unknown id, and then
 * content points to a NUL; {null, 0, 0} for a null runtime. Free with rwkvmobile_runtime_free_response_buffer. */
RWKV_MOBILE_API struct response_buffer rwkvmobile_runtime_get_response_buffer_content(rwkvmobile_runtime_t runtime,
                                                                                      int model_id);
RWKV_MOBILE_API void rwkvmobile_runtime_free_response_buffer(struct response_buffer buffer);

/* The same for each slot of the latest batch; batch_size 0 and nulls before the first. Free with
 * rwkvmobile_runtime_free_response_buffer_batch. */
RWKV_MOBILE_API struct response_buffer_batch rwkvmobile_runtime_get_response_buffer_content_batch(
    rwkvmobile_runtime_t runtime, int model_id);
RWKV_MOBILE_API void rwkvmobile_runtime_free_response_buffer_batch(struct response_buffer_batch buffer);

/* The tokens of the response buffer: those it began with (a prompt, a thinking token, a resumed answer) and the new
 * ones. Free with rwkvmobile_runtime_free_token_ids. */
RWKV_MOBILE_API struct token_ids rwkvmobile_runtime_get_response_buffer_ids(rwkvmobile_runtime_t runtime, int model_id);
RWKV_MOBILE_API void rwkvmobile_runtime_free_token_ids(struct token_ids ids);

/* How many those are; 0 for an unknown model. */
RWKV_MOBILE_API int rwkvmobile_runtime_get_response_buffer_tokens_count(rwkvmobile_runtime_t runtime, int model_id);

/* The same for each slot of the latest batch. `counts` is the library's until the next call and at most as long as the
 * runtime. */
RWKV_MOBILE_API struct batch_tokens_count rwkvmobile_runtime_get_response_buffer_tokens_count_batch(
    rwkvmobile_runtime_t runtime, int model_id);

/* How many tokens a text is; 0 for null and an unknown model. */
RWKV_MOBILE_API int rwkvmobile_runtime_calculate_tokens_count_from_text(rwkvmobile_runtime_t runtime, int model_id,
                                                                        const char* text);

/* How many tokens a chat is: prompt and messages, no beginning of an answer. 0 for null, no messages, an empty first
 * message and an unknown model. */
RWKV_MOBILE_API int rwkvmobile_runtime_calculate_tokens_count_from_messages(rwkvmobile_runtime_t runtime, int model_id,
                                                                            const char** inputs, const int num_inputs);

/* ---- States and evaluation ----
 *
 * Each model remembers the states of texts that it has read, so that a conversation goes on without being read again.
 * Until the model is released it uses up to a sixteenth of the machine's memory for them, but at least 32 MiB and at
 * most 1 GiB. rwkv_ext_set_state_cache_limit and its neighbours bound that memory and give it back. */

/* Empties the live state of rwkvmobile_runtime_eval_logits. The state cache stays; chats and completions do not
 * depend on the live state. 0, also for an unknown id. */
RWKV_MOBILE_API int rwkvmobile_runtime_clear_state(rwkvmobile_runtime_t runtime, int model_id);

/* Loads a tuned initial state: a .pth with `blocks.N.att.time_state` for each layer, or an .rmpack with a blob of f16
 * for each. Prompts (rwkvmobile_runtime_set_prompt, or that of a completion) that begin with <state src="PATH">, PATH
 * being state_path to the letter, are then read from it on. A path that is loaded already is left alone. 257 when the
 * file is missing, damaged or made for a model of another shape. */
RWKV_MOBILE_API int rwkvmobile_runtime_load_initial_state(rwkvmobile_runtime_t runtime, int model_id,
                                                          const char* state_path);
/* Unloads the state; its tag is ordinary text from then on. Running generations go on. Does nothing for an unknown
 * path. */
RWKV_MOBILE_API void rwkvmobile_runtime_unload_initial_state(rwkvmobile_runtime_t runtime, int model_id,
                                                             const char* state_path);

/* Writes the state after a chat (messages as in eval_chat_with_history_async) to a file of our own format
 * (docs/FORMATS.md), evaluating what is not in the state cache. The last message of an odd number is left out: it is
 * the next question. 257 (RUNTIME | IO) when the file cannot be written. Blocks. */
RWKV_MOBILE_API int rwkvmobile_runtime_save_history_to_state(rwkvmobile_runtime_t runtime, int model_id,
                                                             const char** history, const int num_history,
                                                             const char* state_path);

/* Puts such a state into the state cache, so that a chat with that history starts at once. 257 when the file is missing
 * or damaged, 264 when it is another model's. Files of the existing engine's llama.cpp backend are read as well.
 * Blocks. */
RWKV_MOBILE_API int rwkvmobile_runtime_load_history_state_to_memory(rwkvmobile_runtime_t runtime, int model_id,
                                                                    const char* state_path);

/* The entries of the state cache, the last used first, a line each: `text = "...", remaining lifespan = N`, with \n,
 * \r, \t and \b for control characters; N newer entries have to come before it goes. "" for an unknown id, null for a
 * null runtime. Free with rwkvmobile_free_state_cache_info. */
RWKV_MOBILE_API const char* rwkvmobile_get_state_cache_info(rwkvmobile_runtime_t runtime, int model_id);
RWKV_MOBILE_API void rwkvmobile_free_state_cache_info(const char* state_cache_info);

/* How well target_text continues source_text, each target token predicted from the true ones before it. The texts are
 * taken as they stand: the space between them belongs to the target. Zeros and nulls on an error. Free with
 * rwkvmobile_runtime_free_evaluation_results. Blocks. */
RWKV_MOBILE_API struct evaluation_results rwkvmobile_runtime_run_evaluation(rwkvmobile_runtime_t runtime, int model_id,
                                                                            const char* source_text,
                                                                            const char* target_text);
RWKV_MOBILE_API void rwkvmobile_runtime_free_evaluation_results(struct evaluation_results results);

/* ---- Pictures and sound ----
 *
 * A chat's text shows a picture as <TAG>path</TAG>; the path is that of a JPEG, PNG, WebP, GIF, BMP or PNM file. A
 * picture is encoded when a chat shows it first, and not again while a state or the rows are remembered; another file
 * under the same name is seen. A model has at most one encoder for pictures and one for sound; loading one replaces the
 * other of its kind, while the model generates too. Its width must be the model's. Loading and set_audio_prompt block.
 * 8 for null arguments, 0 for releasing with a null runtime, 264 for what cannot be loaded, read or decoded, 512 for a
 * file of a kind that this build does not run (rwkv_ext_last_error says what to use instead). */

/* SigLIP with its adapter in one GGUF file, or with the adapter in a file of its own. */
RWKV_MOBILE_API int rwkvmobile_runtime_load_vision_encoder(rwkvmobile_runtime_t runtime, int model_id,
                                                           const char* encoder_path);
RWKV_MOBILE_API int rwkvmobile_runtime_load_vision_encoder_and_adapter(rwkvmobile_runtime_t runtime, int model_id,
                                                                       const char* encoder_path,
                                                                       const char* adapter_path);
/* Releases both encoders of the model. */
RWKV_MOBILE_API int rwkvmobile_runtime_release_vision_encoder(rwkvmobile_runtime_t runtime, int model_id);
/* The word in the tags of pictures (the application's is "image"); empty, as at first: no text is a tag. */
RWKV_MOBILE_API int rwkvmobile_runtime_set_image_unique_identifier(rwkvmobile_runtime_t runtime,
                                                                   const char* unique_identifier);
/* Whisper with its adapter: whisper.cpp's file of 2025, or GGUF. */
RWKV_MOBILE_API int rwkvmobile_runtime_load_whisper_encoder(rwkvmobile_runtime_t runtime, int model_id,
                                                            const char* encoder_path);
RWKV_MOBILE_API int rwkvmobile_runtime_release_whisper_encoder(rwkvmobile_runtime_t runtime, int model_id);
/* Encodes a recording (WAV, FLAC, MP3) and makes it the prompt of chats, as <audio src="PATH">, until another prompt is
 * set. */
RWKV_MOBILE_API int rwkvmobile_runtime_set_audio_prompt(rwkvmobile_runtime_t runtime, int model_id,
                                                        const char* audio_path);

/* ---- Speech: not in this build ----
 *
 * 8 for null arguments, else 512, if nothing else is said. No model is marked as generating. */

RWKV_MOBILE_API int rwkvmobile_runtime_sparktts_load_models(rwkvmobile_runtime_t runtime, const char* wav2vec2_path,
                                                            const char* bicodec_tokenizer_path,
                                                            const char* bicodec_detokenizer_path);
/* 0: there is nothing to release. */
RWKV_MOBILE_API int rwkvmobile_runtime_sparktts_release_models(rwkvmobile_runtime_t runtime);
/* prompt_audio_text may be null. */
RWKV_MOBILE_API int rwkvmobile_runtime_run_spark_tts_streaming_async(rwkvmobile_runtime_t runtime, int model_id,
                                                                     const char* tts_text,
                                                                     const char* prompt_audio_text,
                                                                     const char* prompt_audio_path,
                                                                     const char* output_wav_path);
/* global_tokens: 32 numbers as rwkvmobile_runtime_get_tts_global_tokens_output gives them. */
RWKV_MOBILE_API int rwkvmobile_runtime_run_spark_tts_with_global_tokens_streaming_async(rwkvmobile_runtime_t runtime,
                                                                                        int model_id,
                                                                                        const char* tts_text,
                                                                                        const char* output_wav_path,
                                                                                        const int* global_tokens);
RWKV_MOBILE_API int rwkvmobile_runtime_run_spark_tts_with_properties_streaming_async(
    rwkvmobile_runtime_t runtime, int model_id, const char* tts_text, const char* output_wav_path, const char* age,
    const char* gender, const char* emotion, const char* pitch, const char* speed);
/* {null, 0}: nothing was spoken. */
RWKV_MOBILE_API struct tts_streaming_buffer rwkvmobile_runtime_get_tts_streaming_buffer(rwkvmobile_runtime_t runtime);
RWKV_MOBILE_API void rwkvmobile_runtime_free_tts_streaming_buffer(struct tts_streaming_buffer buffer);
/* 0 */
RWKV_MOBILE_API int rwkvmobile_runtime_get_tts_streaming_buffer_length(rwkvmobile_runtime_t runtime);
/* 32 numbers, all 0 before anything was spoken; never null. Static. */
RWKV_MOBILE_API const int* rwkvmobile_runtime_get_tts_global_tokens_output(rwkvmobile_runtime_t runtime);
RWKV_MOBILE_API int rwkvmobile_runtime_tts_register_text_normalizer(rwkvmobile_runtime_t runtime, const char* path);

/* ---- Embedding: not in this build ----
 *
 * 8 for null arguments, else 512. */

RWKV_MOBILE_API int rwkvmobile_load_embedding_model(rwkvmobile_runtime_t runtime, const char* model_path);
RWKV_MOBILE_API int rwkvmobile_load_rerank_model(rwkvmobile_runtime_t runtime, const char* model_path);
/* embedding: input_length rows of the caller, each for the numbers of one text. */
RWKV_MOBILE_API int rwkvmobile_get_embedding(rwkvmobile_runtime_t runtime, const char** input, const int input_length,
                                             float** embedding);

/* ---- Device and log ---- */

/* `Snapdragon`, `MediaTek` or `Unknown`. These four are static strings, never null. */
RWKV_MOBILE_API const char* rwkvmobile_get_platform_name(void);
/* The chip's name as it is sold (`8 Gen 3`), or `Unknown`. */
RWKV_MOBILE_API const char* rwkvmobile_get_soc_name(void);
/* Its part number (`SM8650`), or `Unknown`. */
RWKV_MOBILE_API const char* rwkvmobile_get_soc_partname(void);
/* The architecture of a Snapdragon's tensor processor (`v75`), or `Unknown`. */
RWKV_MOBILE_API const char* rwkvmobile_get_htp_arch(void);

/* The last 1024 lines of the log, oldest first, as `[YYYY-MM-DD HH:MM:SS.mmm] [INFO] text` in local time. Texts of
 * users are not among them. The library's until the next call; never null. */
RWKV_MOBILE_API const char* rwkvmobile_dump_log(void);

/* Lines below the level are not kept, in the whole process. 4 counts as 3; other values are ignored. Default: INFO. */
RWKV_MOBILE_API void rwkvmobile_set_loglevel(int loglevel);

/* Names a folder for files that a backend may keep for itself; none in this build does. Remembered conversations do not
 * go there: they are kept in memory, as said above, and in files only after rwkv_ext_set_state_folder. Null is ignored.
 */
RWKV_MOBILE_API void rwkvmobile_set_cache_dir(rwkvmobile_runtime_t runtime, const char* cache_dir);

/* Where libraries of the QNN backend are, which is not in this build: a line in the log and nothing else; the process's
 * environment is not changed. */
RWKV_MOBILE_API void rwkvmobile_runtime_add_adsp_library_path(const char* path);
RWKV_MOBILE_API void rwkvmobile_runtime_set_qnn_library_path(rwkvmobile_runtime_t runtime, const char* path);

/* ---- HTTP server ---- */

/* 127.0.0.1, 8000, 0 threads, `rwkv`, 256 tokens, temperature 1, top_k 1, top_p 1, no penalties, no flags. The strings
 * are static. */
RWKV_MOBILE_API struct rwkvmobile_server_config rwkvmobile_server_config_default(void);

/* Serves a loaded model to HTTP clients (chat, completions, streams, models, as OpenAI clients expect) in the
 * background, several at once, beside other work of the runtime. The server takes the model's settings at its start;
 * settings in a request hold for that request alone. A null config means the defaults, and so do a null host or
 * model_name in it and default_max_tokens below 1. `threads` is the number of requests that generate at once (below 1:
 * 64). The server asks for no key: every program that can reach the host may use it. Returns null when there is no such
 * model or the server cannot listen there; rwkv_ext_last_error says why. Free with rwkvmobile_server_release.
 *
 * Releasing the model or the runtime ends its servers first; their memory, and that of the model, is freed when they
 * are released. */
RWKV_MOBILE_API rwkvmobile_server_t rwkvmobile_server_start(rwkvmobile_runtime_t runtime, int model_id,
                                                            const struct rwkvmobile_server_config* config);
/* Takes no more connections and cancels the clients' generations. Returns at once. This function and the next two: 8
 * for null or a released server. */
RWKV_MOBILE_API int rwkvmobile_server_stop(rwkvmobile_server_t server);
/* Waits until the server is stopped and the last answer has gone out. Blocks. */
RWKV_MOBILE_API int rwkvmobile_server_wait(rwkvmobile_server_t server);
/* Stops it, waits for that and frees it. */
RWKV_MOBILE_API int rwkvmobile_server_release(rwkvmobile_server_t server);

/* ---- Ours ----
 *
 * A client that may be linked to another library of the same name looks for rwkv_ext_version first. */

#define RWKV_EXT_VERSION 4

/* The RWKV_EXT_VERSION of the library: raised when something is added below. */
RWKV_MOBILE_API int rwkv_ext_version(void);

enum {
  RWKV_END_NONE = 0,      /* it goes on, or there was none */
  RWKV_END_EOS = 1,       /* the model: end of text, or the text between messages */
  RWKV_END_STOP = 2,      /* a role marker or the stop token */
  RWKV_END_LENGTH = 3,    /* max_tokens */
  RWKV_END_CANCELLED = 4, /* rwkvmobile_runtime_stop_generation or a release */
  RWKV_END_ERROR = 5      /* see rwkv_ext_last_error */
};

/* Loads a model as rwkvmobile_runtime_load_model does, on a device of the backend (null or "": its default) and with
 * settings of the backend: lines KEY=VALUE (null or "": none). `rwkv backends` and the message Doctor (rwkv_bridge.h)
 * list the devices and settings. -264 for a device or a setting that the backend does not have. Since version 3. */
RWKV_MOBILE_API int rwkv_ext_load_model(rwkvmobile_runtime_t runtime, const char* model_path, const char* backend_name,
                                        const char* tokenizer_path, const char* device, const char* settings);

/* Whether loads that begin from now on may use another backend than they name: one that suits the file better
 * ("native" for RWKV-7), where the named one would run it on the processors. What the runtime says of a model keeps
 * the name that it was loaded with. 0, the default: the named one runs it. A load whose backend_name is "" or "auto"
 * uses the one that suits best in any case. Since version 4. */
RWKV_MOBILE_API int rwkv_ext_set_stand_in(rwkvmobile_runtime_t runtime, int allowed);

/* How the latest single generation ended; with slot 0 or more, that slot of the latest batch. -1: the single one. */
RWKV_MOBILE_API int rwkv_ext_end_reason(rwkvmobile_runtime_t runtime, int model_id, int slot);

/* The port on which a server listens; 0 for null. */
RWKV_MOBILE_API int rwkv_ext_server_port(rwkvmobile_server_t server);

/* Copies the message of the runtime's latest failed call or generation, with a NUL; "" when nothing has failed. Returns
 * what rwkvmobile_runtime_get_prompt returns. */
RWKV_MOBILE_API int rwkv_ext_last_error(rwkvmobile_runtime_t runtime, char* buffer, int buffer_size);

/* Bounds the memory of a model's remembered states (see "States and evaluation"), at once: states beyond it are
 * dropped, those used longest ago first. 0: only states that were loaded from files stay. Where a budget leaves less,
 * the budget counts. 8 for less than 0; 264. Since version 2, as all functions up to rwkv_ext_memory_in_use. */
RWKV_MOBILE_API int rwkv_ext_set_state_cache_limit(rwkvmobile_runtime_t runtime, int model_id, int64_t bytes);

/* Keeps remembered conversations in files too, for the next start of the program: at most `bytes` of files, in a folder
 * of the model's own below `folder`, which is made where it is missing. Other processes may use the same folder: the
 * bound is for all of them together. "" ends that. 8 for null or less than 0 bytes; 257 when the folder cannot be made;
 * 264. Blocks while it lists the files in the folder. */
RWKV_MOBILE_API int rwkv_ext_set_state_folder(rwkvmobile_runtime_t runtime, int model_id, const char* folder,
                                              int64_t bytes);

/* Bounds the memory of all models of the runtime with their remembered states; 0, the default: no bound but the
 * machine's memory. A model that does not fit is not loaded (-1024). Where the models exceed the bound already, their
 * states are dropped first, then the weights of idle models, those used longest ago first. A model without weights
 * keeps its id and settings and loads the weights again with the next call that needs them. 8 for less than 0. Blocks
 * for milliseconds. */
RWKV_MOBILE_API int rwkv_ext_set_memory_budget(rwkvmobile_runtime_t runtime, int64_t bytes);

/* What is dropped when the system says that memory runs short (Android's onTrimMemory, iOS's
 * didReceiveMemoryWarning). */
enum {
  RWKV_PRESSURE_MODERATE = 0, /* half of the remembered states of idle models */
  RWKV_PRESSURE_LOW = 1,      /* all remembered states but those that were loaded from files */
  RWKV_PRESSURE_CRITICAL = 2  /* the weights of idle models too, as above */
};

/* Gives memory back to the system. Only time is lost: texts whose states were dropped are read again. 8 for another
 * `pressure`. Blocks for milliseconds. */
RWKV_MOBILE_API int rwkv_ext_release_memory(rwkvmobile_runtime_t runtime, int pressure);

/* Bytes that the runtime's models take, with their remembered states; mapped weights count. 0 for null. */
RWKV_MOBILE_API int64_t rwkv_ext_memory_in_use(rwkvmobile_runtime_t runtime);

/* Runtimes, models, servers and results not freed yet, in the whole process. For leak checks. */
RWKV_MOBILE_API int64_t rwkv_ext_live_objects(void);

#ifdef __cplusplus
}
#endif
#endif
