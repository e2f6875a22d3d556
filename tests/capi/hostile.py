#!/usr/bin/env python3
"""Writes hostile_table.inc: every function that rwkv_mobile.h declares, with values for each of its parameters.

A parameter that no rule below knows, or a result that is nowhere said, ends the build: so no function is missed.
"""

import re
import sys

# (type, name, values): the first rule whose two patterns fit the whole type and name. `values` is a function of
# hostile.c that gives the i-th value, the first of them a harmless one.
RULES = [
    (r"rwkvmobile_runtime_t", r".*", "runtime_value"),
    (r"rwkvmobile_server_t", r".*", "server_value"),
    (r"int", r"model_id", "id_value"),
    (r"const char\*", r"state_cache_info", "null_text"),
    (r"const char\*", r"(\w*_)?(path|dir)", "path_value"),
    (r"const char\*", r"folder", "folder_value"),
    (r"const char\*", r"backend_name", "backend_value"),
    (r"int64_t", r"bytes", "bytes_value"),
    (r"const char\*", r".*", "text_value"),
    (r"const char\*\*\*", r".*", "chats_value"),
    (r"const char\*\*", r".*", "texts_value"),
    (r"const int\*", r".*", "numbers_value"),
    (r"int\*", r".*", "int_out"),
    (r"float\*", r".*", "float_out"),
    (r"float\*\*", r".*", "rows_out"),
    (r"char\*", r".*", "char_out"),
    (r"(const )?int", r"max_tokens", "max_tokens_value"),
    (r"(const )?int", r"top_k", "small_value"),
    (r"(const )?int", r"num_\w+|batch_size|\w+_len|max_count|buffer_size|input_length|buf_len", "count_value"),
    (
        r"(const )?int",
        r"stop_code|seed|slot|pressure|allowed|force_lang|loglevel|enable_\w+|force_\w+|add_\w+|disable_\w+|space_\w+",
        "number_value",
    ),
    (r"rwkvmobile_force_lang", r".*", "language_value"),
    (r"rwkvmobile_on_token", r".*", "on_token_value"),
    (r"rwkvmobile_on_batch_tokens", r".*", "on_batch_value"),
    (r"void\*", r"extra", "extra_value"),
    (r"const struct rwkvmobile_server_config\*", r".*", "config_value"),
    (r"struct sampler_params", r".*", "sampler_value"),
    (r"struct penalty_params", r".*", "penalty_value"),
    (r"struct \w+", r"buffer|ids|sizes|list|results", None),  # the free functions: EMPTY_VALUES
]

# Structures that free functions take: none of these may be looked into or freed.
EMPTY_VALUES = {
    "response_buffer": ["{0}", "{NULL, 1000, 1}", "{NULL, -1, 0}"],
    "response_buffer_batch": ["{0}", "{NULL, NULL, NULL, 1000}", "{NULL, NULL, NULL, -1}"],
    "token_ids": ["{0}", "{NULL, 1000}", "{NULL, -1}"],
    "tts_streaming_buffer": ["{0}", "{NULL, 1000}", "{NULL, -1}"],
    "supported_batch_sizes": ["{0}", "{NULL, 1000}", "{NULL, -1}"],
    "loaded_models_list": ["{0}", "{NULL, 1000}", "{NULL, -1}"],
    "evaluation_results": ["{0}", "{NULL, NULL, 1000, NULL}", "{NULL, NULL, -1, NULL}"],
}

# Results that are freed.
FREES = {
    "struct response_buffer": "rwkvmobile_runtime_free_response_buffer",
    "struct response_buffer_batch": "rwkvmobile_runtime_free_response_buffer_batch",
    "struct token_ids": "rwkvmobile_runtime_free_token_ids",
    "struct tts_streaming_buffer": "rwkvmobile_runtime_free_tts_streaming_buffer",
    "struct supported_batch_sizes": "rwkvmobile_runtime_free_supported_batch_sizes",
    "struct loaded_models_list": "rwkvmobile_runtime_free_loaded_models_list",
    "struct evaluation_results": "rwkvmobile_runtime_free_evaluation_results",
}
RESULTS = [
    "void",
    "int",
    "int64_t",
    "float",
    "double",
    "const char*",
    "const char**",
    "const int*",
    "struct sampler_params",
    "struct penalty_params",
    "struct batch_tokens_count",
    "struct rwkvmobile_server_config",
    "rwkvmobile_runtime_t",
    "rwkvmobile_server_t",
] + list(FREES)

R = "rwkvmobile_runtime_"
# `int` results for a runtime that is none, where they are not 8.
NO_RUNTIME = {
    R + n: 0
    for n in [
        "is_loading_model",
        "get_loaded_model_ids",
        "get_seed",
        "get_response_buffer_tokens_count",
        "calculate_tokens_count_from_text",
        "calculate_tokens_count_from_messages",
        "sparktts_release_models",
        "get_tts_streaming_buffer_length",
        "release_vision_encoder",
        "release_whisper_encoder",
    ]
}
NO_RUNTIME |= {
    R + "load_model": -8,
    R + "load_model_with_extra": -8,
    "rwkv_ext_load_model": -8,
    "rwkv_ext_end_reason": 0,
}
# For a model that is none, where they are not 264. Speech is not built and looks at no model.
NO_MODEL = {
    R + n: 0
    for n in [
        "stop_generation",
        "is_generating",
        "get_prompt",
        "set_eos_token",
        "set_bos_token",
        "set_user_role",
        "set_response_role",
        "set_space_after_roles",
        "set_thinking_token",
        "set_token_banned",
        "get_seed",
        "clear_state",
        "get_response_buffer_tokens_count",
        "calculate_tokens_count_from_text",
        "calculate_tokens_count_from_messages",
    ]
}
NO_MODEL |= {
    R + n: 512
    for n in [
        "run_spark_tts_streaming_async",
        "run_spark_tts_with_global_tokens_streaming_async",
        "run_spark_tts_with_properties_streaming_async",
    ]
}
NO_MODEL |= {"rwkv_ext_end_reason": 0}
# Functions that take null in a pointer parameter, and what the others give for null where it is not 8.
NULL_IS_FINE = {"callback", "callback_batch", "extra", "prompt_audio_text", "config", "device", "settings"}
NULL_GIVES = {
    R + n: 0
    for n in ["get_loaded_model_ids", "calculate_tokens_count_from_text", "calculate_tokens_count_from_messages"]
}
NULL_GIVES |= {R + "load_model": -8, R + "load_model_with_extra": -8, "rwkv_ext_load_model": -8}
MUST_HAVE_CALLBACK = {R + "gen_completion"}


def declarations(header):
    text = re.sub(r"/\*.*?\*/", " ", open(header, encoding="utf-8").read(), flags=re.DOTALL)
    for match in re.finditer(r"RWKV_MOBILE_API ([^;(]+?)\s*(\w+)\(([^;]*)\);", text):
        result, name, parameters = (re.sub(r"\s+", " ", part).strip() for part in match.groups())
        parsed = []
        for parameter in [] if parameters == "void" else parameters.split(","):
            kind, parameter_name = re.fullmatch(r"(.*?)(\w+)", parameter.strip()).groups()
            parsed.append((kind.strip(), parameter_name))
        yield result, name, parsed


def values_of(function, kind, name):
    if (function, name) == (R + "release", "runtime"):
        return "bad_runtime_value"
    if (function, name) == (R + "release_model", "model_id"):
        return "bad_id_value"
    for kind_pattern, name_pattern, values in RULES:
        if re.fullmatch(kind_pattern, kind) and re.fullmatch(name_pattern, name):
            return values
    sys.exit(f"hostile.py: no rule for the parameter '{kind} {name}' of {function}")


def null_result(function, kind, name):
    if kind == "rwkvmobile_server_t":
        return "0" if function == "rwkv_ext_server_port" else "8"
    if "*" not in kind and not kind.startswith("rwkvmobile_on_"):
        return "ANY"
    if function == R + "set_token_banned":
        return "ANY"  # null goes with a length of 0
    if name in NULL_IS_FINE and not (function in MUST_HAVE_CALLBACK and name == "callback"):
        return "ANY"
    return str(NULL_GIVES.get(function, 8))


def main(header, output):
    calls, rows = [], []
    for number, (result, name, parameters) in enumerate(declarations(header)):
        if result not in RESULTS:
            sys.exit(f"hostile.py: nothing is known about the result '{result}' of {name}")
        arguments, kinds = [], []
        for i, (kind, parameter) in enumerate(parameters):
            values = values_of(name, kind, parameter)
            if values is None:
                struct = kind.split()[1]
                values = f"empty_{struct}"
            arguments.append(f"{values}(pick[{i}])")
            expected = null_result(name, kind, parameter) if result == "int" else "ANY"
            role = {"rwkvmobile_runtime_t": "A_RUNTIME"}.get(
                kind, "A_MODEL" if parameter == "model_id" and kind == "int" else "ANOTHER"
            )
            kinds.append(f"{{{role}, {expected}}}")
        call = f"{name}({', '.join(arguments)})"
        if result == "void":
            body = f"{call}; return 0;"
        elif result in FREES:
            body = f"{FREES[result]}({call}); return 0;"
        elif name == "rwkvmobile_get_state_cache_info":
            body = f"rwkvmobile_free_state_cache_info({call}); return 0;"
        elif result == "rwkvmobile_server_t":
            body = f"rwkvmobile_server_release({call}); return 0;"
        elif result == "rwkvmobile_runtime_t":
            body = f"return rwkvmobile_runtime_release({call});"
        elif result == "int":
            body = f"return {call};"
        else:
            body = f"(void){call}; return 0;"
        unused = "" if parameters else "(void)pick; "
        calls.append(f"static int call_{number}(const int* pick) {{ {unused}{body} }}")
        no_runtime = str(NO_RUNTIME.get(name, 8)) if result == "int" else "ANY"
        no_model = str(NO_MODEL.get(name, 264)) if result == "int" else "ANY"
        rows.append(
            f'    {{"{name}", call_{number}, {len(parameters)}, {no_runtime}, {no_model}, '
            f"{{{', '.join(kinds) or '{ANOTHER, ANY}'}}}}},"
        )
    lines = ["/* Written by hostile.py. */"]
    for struct, values in EMPTY_VALUES.items():
        lines.append(f"static struct {struct} empty_{struct}(int i) {{")
        lines.append(f"  static const struct {struct} values[] = {{{', '.join(values)}}};")
        lines.append(f"  return values[i % {len(values)}];")
        lines.append("}")
    lines += calls
    lines.append("static const struct function kFunctions[] = {")
    lines += rows
    lines.append("};")
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


main(*sys.argv[1:])
