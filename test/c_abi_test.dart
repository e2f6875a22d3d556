// A client of the C interface with bindings of its own, as apps have them that
// were written for rwkv-mobile: names, signatures and layouts, nothing of this
// package.
// ignore_for_file: non_constant_identifier_names, camel_case_types
import 'dart:convert';
import 'dart:ffi';
import 'dart:io';
import 'dart:math';

import 'harness.dart';

typedef Runtime = Pointer<Void>;
typedef Text = Pointer<Char>;

final class sampler_params extends Struct {
  @Float()
  external double temperature;
  @Int()
  external int top_k;
  @Float()
  external double top_p;
}

final class penalty_params extends Struct {
  @Float()
  external double presence_penalty;
  @Float()
  external double frequency_penalty;
  @Float()
  external double penalty_decay;
}

final class response_buffer extends Struct {
  external Text content;
  @Int()
  external int length;
  @Int()
  external int eos_found;
}

final class response_buffer_batch extends Struct {
  external Pointer<Text> contents;
  external Pointer<Int> lengths;
  external Pointer<Int> eos_founds;
  @Int()
  external int batch_size;
}

final class supported_batch_sizes extends Struct {
  external Pointer<Int> sizes;
  @Int()
  external int length;
}

final class model_info extends Struct {
  @Int()
  external int model_id;
  external Text model_path;
  external Text backend_name;
  external Text tokenizer_path;
  external Text user_role;
  external Text response_role;
  external Text bos_token;
  external Text eos_token;
  external Text thinking_token;
  @Int()
  external int is_generating;
  @Int()
  external int vocab_size;
}

final class loaded_models_list extends Struct {
  external Pointer<model_info> models;
  @Int()
  external int count;
}

final class evaluation_results extends Struct {
  external Pointer<Int32> corrects;
  external Pointer<Float> logits_vals;
  @Int()
  external int count;
  external Pointer<Text> output_texts;
}

final class server_config extends Struct {
  external Text host;
  @Int()
  external int port;
  @Int()
  external int threads;
  external Text model_name;
  @Int()
  external int default_max_tokens;
  @Float()
  external double temperature;
  @Int()
  external int top_k;
  @Float()
  external double top_p;
  @Array(3)
  external Array<Float> penalties;
  @Array(6)
  external Array<Int> has;
}

typedef OnToken = Void Function(Text, Int, Text);

final library = DynamicLibrary.open(
  Platform.environment['RWKV_MOBILE_LIBRARY']!,
);

const rt = 'rwkvmobile_runtime_';

final init = library.lookupFunction<Runtime Function(), Runtime Function()>(
  '${rt}init',
);
final release = library
    .lookupFunction<Int Function(Runtime), int Function(Runtime)>(
      '${rt}release',
    );
final get_available_backend_names = library
    .lookupFunction<Int Function(Text, Int), int Function(Text, int)>(
      '${rt}get_available_backend_names',
    );
final load_model = library.lookupFunction<
  Int Function(Runtime, Text, Text, Text),
  int Function(Runtime, Text, Text, Text)
>('${rt}load_model');
final release_model = library
    .lookupFunction<Int Function(Runtime, Int), int Function(Runtime, int)>(
      '${rt}release_model',
    );
final get_loaded_models_info = library.lookupFunction<
  loaded_models_list Function(Runtime),
  loaded_models_list Function(Runtime)
>('${rt}get_loaded_models_info');
final free_loaded_models_list = library.lookupFunction<
  Void Function(loaded_models_list),
  void Function(loaded_models_list)
>('${rt}free_loaded_models_list');
final set_sampler_params = library.lookupFunction<
  Void Function(Runtime, Int, sampler_params),
  void Function(Runtime, int, sampler_params)
>('${rt}set_sampler_params');
final get_sampler_params = library.lookupFunction<
  sampler_params Function(Runtime, Int),
  sampler_params Function(Runtime, int)
>('${rt}get_sampler_params');
final set_penalty_params = library.lookupFunction<
  Void Function(Runtime, Int, penalty_params),
  void Function(Runtime, int, penalty_params)
>('${rt}set_penalty_params');
final set_prompt = library.lookupFunction<
  Int Function(Runtime, Int, Text),
  int Function(Runtime, int, Text)
>('${rt}set_prompt');
final eval_chat_with_history_async = library.lookupFunction<
  Int Function(
    Runtime,
    Int,
    Pointer<Text>,
    Int,
    Int,
    Pointer<NativeFunction<OnToken>>,
    Int,
    Int,
    Int,
    Int,
  ),
  int Function(
    Runtime,
    int,
    Pointer<Text>,
    int,
    int,
    Pointer<NativeFunction<OnToken>>,
    int,
    int,
    int,
    int,
  )
>('${rt}eval_chat_with_history_async');
final eval_chat_batch_with_history_async = library.lookupFunction<
  Int Function(
    Runtime,
    Int,
    Pointer<Pointer<Text>>,
    Pointer<Int>,
    Int,
    Int,
    Pointer<Void>,
    Int,
    Int,
    Int,
    Int,
  ),
  int Function(
    Runtime,
    int,
    Pointer<Pointer<Text>>,
    Pointer<Int>,
    int,
    int,
    Pointer<Void>,
    int,
    int,
    int,
    int,
  )
>('${rt}eval_chat_batch_with_history_async');
final get_supported_batch_sizes = library.lookupFunction<
  supported_batch_sizes Function(Runtime, Int),
  supported_batch_sizes Function(Runtime, int)
>('${rt}get_supported_batch_sizes');
final free_supported_batch_sizes = library.lookupFunction<
  Void Function(supported_batch_sizes),
  void Function(supported_batch_sizes)
>('${rt}free_supported_batch_sizes');
final gen_completion_async = library.lookupFunction<
  Int Function(Runtime, Int, Text, Int, Int, Pointer<Void>, Int),
  int Function(Runtime, int, Text, int, int, Pointer<Void>, int)
>('${rt}gen_completion_async');
final gen_completion = library.lookupFunction<
  Int Function(
    Runtime,
    Int,
    Text,
    Int,
    Int,
    Pointer<NativeFunction<OnToken>>,
    Int,
  ),
  int Function(
    Runtime,
    int,
    Text,
    int,
    int,
    Pointer<NativeFunction<OnToken>>,
    int,
  )
>('${rt}gen_completion');
final stop_generation = library
    .lookupFunction<Int Function(Runtime, Int), int Function(Runtime, int)>(
      '${rt}stop_generation',
    );
final is_generating = library
    .lookupFunction<Int Function(Runtime, Int), int Function(Runtime, int)>(
      '${rt}is_generating',
    );
final get_prefill_progress = library.lookupFunction<
  Float Function(Runtime, Int),
  double Function(Runtime, int)
>('${rt}get_prefill_progress');
final get_avg_decode_speed = library.lookupFunction<
  Double Function(Runtime, Int),
  double Function(Runtime, int)
>('${rt}get_avg_decode_speed');
final get_response_buffer_content = library.lookupFunction<
  response_buffer Function(Runtime, Int),
  response_buffer Function(Runtime, int)
>('${rt}get_response_buffer_content');
final free_response_buffer = library.lookupFunction<
  Void Function(response_buffer),
  void Function(response_buffer)
>('${rt}free_response_buffer');
final get_response_buffer_content_batch = library.lookupFunction<
  response_buffer_batch Function(Runtime, Int),
  response_buffer_batch Function(Runtime, int)
>('${rt}get_response_buffer_content_batch');
final free_response_buffer_batch = library.lookupFunction<
  Void Function(response_buffer_batch),
  void Function(response_buffer_batch)
>('${rt}free_response_buffer_batch');
final save_history_to_state = library.lookupFunction<
  Int Function(Runtime, Int, Pointer<Text>, Int, Text),
  int Function(Runtime, int, Pointer<Text>, int, Text)
>('${rt}save_history_to_state');
final load_history_state_to_memory = library.lookupFunction<
  Int Function(Runtime, Int, Text),
  int Function(Runtime, int, Text)
>('${rt}load_history_state_to_memory');
final run_evaluation = library.lookupFunction<
  evaluation_results Function(Runtime, Int, Text, Text),
  evaluation_results Function(Runtime, int, Text, Text)
>('${rt}run_evaluation');
final free_evaluation_results = library.lookupFunction<
  Void Function(evaluation_results),
  void Function(evaluation_results)
>('${rt}free_evaluation_results');
final server_config_default = library
    .lookupFunction<server_config Function(), server_config Function()>(
      'rwkvmobile_server_config_default',
    );
final dump_log = library.lookupFunction<Text Function(), Text Function()>(
  'rwkvmobile_dump_log',
);
final get_soc_name = library.lookupFunction<Text Function(), Text Function()>(
  'rwkvmobile_get_soc_name',
);

// There is no package for it here; the C library is in the process.
final malloc = DynamicLibrary.process().lookupFunction<
  Pointer<Void> Function(Size),
  Pointer<Void> Function(int)
>('malloc');

Text text(String value) {
  final bytes = utf8.encode(value);
  final memory = malloc(bytes.length + 1).cast<Uint8>();
  memory.asTypedList(bytes.length + 1)
    ..setAll(0, bytes)
    ..[bytes.length] = 0;
  return memory.cast();
}

Pointer<Text> texts(List<String> values) {
  final array = malloc(sizeOf<Text>() * values.length).cast<Text>();
  for (final (i, value) in values.indexed) {
    array[i] = text(value);
  }
  return array;
}

String read(Text from, [int? length]) {
  final bytes = from.cast<Uint8>();
  var end = length ?? 0;
  if (length == null) {
    while (bytes[end] != 0) {
      ++end;
    }
  }
  return utf8.decode(bytes.asTypedList(end)); // strictly
}

const modelPath = 'models/tiny/rwkv7-tiny.gguf';
late final Runtime runtime;
int model = -1;

void beGreedy() {
  final sampler =
      Struct.create<sampler_params>()
        ..temperature = 1
        ..top_k = 1
        ..top_p = 1;
  set_sampler_params(runtime, model, sampler);
  set_penalty_params(runtime, model, Struct.create<penalty_params>());
}

void load() {
  final last = model; // whose id is not given again
  model = load_model(
    runtime,
    text(modelPath),
    text('llama.cpp'),
    text('models/tiny/vocab.txt'),
  );
  equal(model, last + 1);
  beGreedy();
}

int chat(List<String> messages, {int addGenerationPrompt = 1, int max = 50}) =>
    eval_chat_with_history_async(
      runtime,
      model,
      texts(messages),
      messages.length,
      max,
      nullptr,
      0,
      0,
      0,
      addGenerationPrompt,
    );

(String, bool) content() {
  final buffer = get_response_buffer_content(runtime, model);
  final result = (read(buffer.content, buffer.length), buffer.eos_found == 1);
  free_response_buffer(buffer);
  return result;
}

Future<String> poll() async {
  var seen = '';
  for (var going = true; going;) {
    going = is_generating(runtime, model) == 1;
    final (now, _) = content();
    check(now.startsWith(seen), '"$now" goes on from "$seen"');
    seen = now;
    check(get_avg_decode_speed(runtime, model) >= 0, 'a speed');
    if (going) await Future<void>.delayed(const Duration(milliseconds: 5));
  }
  equal(get_prefill_progress(runtime, model), 1.0);
  return seen;
}

String said = '';
void onToken(Text full, int token, Text piece) => said = read(full);

Future<void> main() async {
  await test('structures are as large as the library thinks', () {
    equal(sizeOf<model_info>(), sizeOf<IntPtr>() == 8 ? 80 : 44);
    equal(sizeOf<server_config>(), sizeOf<IntPtr>() == 8 ? 80 : 68);
    final config = server_config_default();
    equal(read(config.host), '127.0.0.1');
    equal(config.port, 8000);
    equal(read(config.model_name), 'rwkv');
    equal(config.default_max_tokens, 256);
    equal(config.top_p, 1.0);
    equal(config.has[5], 0);
  });

  await test('it starts and loads', () {
    final names = malloc(64).cast<Char>();
    equal(get_available_backend_names(names, 64), 0);
    check(read(names).contains('llama.cpp,'), read(names));
    runtime = init();
    check(runtime != nullptr, 'a runtime');
    equal(is_generating(runtime, -1), 0);
    load();
    final sampler = get_sampler_params(runtime, model);
    equal(sampler.top_k, 1);
    final list = get_loaded_models_info(runtime);
    equal(list.count, 1);
    equal(read(list.models.ref.model_path), modelPath);
    equal(read(list.models.ref.eos_token), '\n\n');
    free_loaded_models_list(list);
  });

  await test('it chats with a history', () async {
    equal(set_prompt(runtime, model, text('\n')), 0);
    equal(set_prompt(runtime, model, text('')), 0);
    equal(chat(['My name is Mira.', 'Hello, Mira!', 'What is 47+38?']), 0);
    equal(await poll(), '85');
    equal(content(), ('85', true));
  });

  await test('it resumes', () async {
    equal(chat(['What is 47+38?', '8'], addGenerationPrompt: 0), 0);
    equal(await poll(), '85');
  });

  await test('it stops', () async {
    equal(
      gen_completion_async(
        runtime,
        model,
        text('User:'),
        1000000,
        -1,
        nullptr,
        1,
      ),
      0,
    );
    equal(is_generating(runtime, model), 1);
    for (var i = 0; i < 50 && is_generating(runtime, model) != 0; ++i) {
      equal(stop_generation(runtime, model), 0);
      await Future<void>.delayed(const Duration(milliseconds: 100));
    }
    equal(is_generating(runtime, model), 0);
    check(content().$1.startsWith('User:'), content().$1);
  });

  await test('it completes with an isolate-local callback', () {
    final callback = NativeCallable<OnToken>.isolateLocal(onToken);
    const prompt = 'User: What is 47+38?\n\nAssistant:';
    equal(
      gen_completion(
        runtime,
        model,
        text(prompt),
        3,
        0,
        callback.nativeFunction,
        0,
      ),
      0,
    );
    callback.close();
    equal(said, '$prompt 85');
  });

  await test('it answers a batch', () async {
    final sizes = get_supported_batch_sizes(runtime, model);
    check(sizes.length >= 3, 'batch sizes');
    free_supported_batch_sizes(sizes);
    const questions = ['What is 47+38?', 'What is 64+29?', 'What is 12+13?'];
    final chats = malloc(sizeOf<Pointer<Text>>() * 3).cast<Pointer<Text>>();
    final counts = malloc(sizeOf<Int>() * 3).cast<Int>();
    for (final (i, question) in questions.indexed) {
      chats[i] = texts([question]);
      counts[i] = 1;
    }
    equal(
      eval_chat_batch_with_history_async(
        runtime,
        model,
        chats,
        counts,
        3,
        50,
        nullptr,
        0,
        0,
        0,
        1,
      ),
      0,
    );
    while (is_generating(runtime, model) == 1) {
      await Future<void>.delayed(const Duration(milliseconds: 5));
    }
    final batch = get_response_buffer_content_batch(runtime, model);
    equal(batch.batch_size, 3);
    final answers = [
      for (var i = 0; i < 3; ++i) read(batch.contents[i], batch.lengths[i]),
    ];
    free_response_buffer_batch(batch);
    equal(answers, ['85', '93', '25']);
  });

  await test('it saves a state and loads it into another model', () async {
    final folder = Directory.systemTemp.createTempSync('rwkv');
    final path = text('${folder.path}/history.state');
    const history = ['My name is Mira.', 'Hello, Mira!'];
    equal(save_history_to_state(runtime, model, texts(history), 2, path), 0);
    equal(release_model(runtime, model), 0);
    load();
    equal(load_history_state_to_memory(runtime, model, path), 0);
    folder.deleteSync(recursive: true);
    equal(chat([...history, 'What is my name?']), 0);
    check((await poll()).contains('Mira'), content().$1);
  });

  await test('it evaluates', () {
    final results = run_evaluation(
      runtime,
      model,
      text('User: What is 47+38?\n\nAssistant:'),
      text(' 85'),
    );
    equal(results.count, 1);
    equal(results.corrects[0], 1);
    check(exp(results.logits_vals[0]) > 0.5, '${results.logits_vals[0]}');
    equal(read(results.output_texts[0]), ' 85');
    free_evaluation_results(results);
  });

  await test('it tells about the device and keeps a log', () {
    check(read(get_soc_name()).isNotEmpty, 'a name, or Unknown');
    check(read(dump_log()).contains('[INFO] '), 'log lines');
  });

  await test('it releases while it generates', () {
    equal(
      gen_completion_async(
        runtime,
        model,
        text('User:'),
        1000000,
        -1,
        nullptr,
        1,
      ),
      0,
    );
    equal(release_model(runtime, model), 0);
    equal(release_model(runtime, model), 264);
    equal(release(runtime), 0);
    equal(release(runtime), 8);
  });

  finish();
}
