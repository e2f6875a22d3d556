// What the way from the runtime to an app costs: latency of a token, messages a
// second, and pushing against polling. A scripted model stands for a real one.
import 'dart:async';
import 'dart:convert';
import 'dart:ffi';
import 'dart:io';
import 'dart:isolate';

import 'package:rwkv_mobile_flutter/from_rwkv.dart';
import 'package:rwkv_mobile_flutter/rwkv.dart';
import 'package:rwkv_mobile_flutter/src/native_library.dart';

import '../../test/app.dart';
import 'token_clock.dart' as clock;

/// Longer than the time in which pieces of text are joined, so that each token
/// is a message.
const slowStep = Duration(milliseconds: 9);
const wholeSleep = 5000000;

/// A small and a usual model on a phone, 250 and 50 tokens a second; a token here
/// is a byte.
const fastStep = Duration(milliseconds: 4);
const usualStep = Duration(milliseconds: 20);

String script(Duration step, int letters) {
  final file = File('build/dart/script_${step.inMilliseconds}_$letters.json');
  final text = List.generate(letters, (i) => i % 6 == 5 ? ' ' : 'a').join();
  file.writeAsStringSync(
    jsonEncode({
      'rwkv_script': 1,
      'decode_us': step.inMicroseconds,
      'replies': [
        {'say': '$text.'},
      ],
    }),
  );
  return file.path;
}

/// Loads a script. [Backend] has no name for what runs it, so this goes through
/// a port of its own; models are everybody's.
Future<int> loadScript(App app, Duration step, int letters) async {
  final library = NativeLibrary.open();
  final answers = ReceivePort();
  T withText<T>(String text, T Function(Pointer<Char> text) use) =>
      library.withBytes(utf8.encode(text), use);
  final port = withText(
    'default',
    (name) => library.bindings.rwkv_bridge_open_dart(
      name,
      nullptr,
      answers.sendPort.nativePort,
      NativeApi.postCObject.cast(),
    ),
  );
  final request = jsonEncode({
    'type': 'LoadRWKVModel',
    'modelPath': script(step, letters),
    'backend': 'scripted',
    'tokenizerPath': '',
  });
  withText(
    request,
    (json) => library.bindings.rwkv_bridge_send(port, json, request.length),
  );
  final id = await answers
      .cast<List<int>>()
      .where((bytes) => bytes.isNotEmpty)
      .map((bytes) => jsonDecode(utf8.decode(bytes)) as Map)
      .where((step) => step['status'] != 'loading')
      .map((step) => step['modelID'] as int)
      .first;
  library.bindings.rwkv_bridge_close(port, 0);
  app
    ..send(SetMaxLength(1 << 20, modelID: id))
    ..beGreedy(id);
  return id;
}

/// The share [share] of [values] is not above what is returned.
num quantile(List<num> values, double share) =>
    (values..sort())[((values.length - 1) * share).round()];

String spread(List<num> microseconds) =>
    'p50 ${quantile(microseconds, 0.5).toStringAsFixed(0)} us, '
    'p99 ${quantile(microseconds, 0.99).toStringAsFixed(0)} us '
    '(${microseconds.length} samples)';

/// From the end of a model's step to the app's handler.
Future<void> tokenLatency(App app, int tokens) async {
  final id = await loadScript(app, slowStep, tokens);
  final arrivals = <int, int>{};
  final ended = Completer<void>();
  var count = 0;
  app.onMessage = (message) {
    final time = clock.now();
    if (message is GenerationDelta) {
      count += message.tokens.length;
      arrivals[count] = time;
    }
    if (message is GenerationEnd) ended.complete();
  };
  clock.clear();
  app.send(chat(['Hi'], id, push: true));
  await ended.future;
  app.onMessage = null;
  final ends = clock.stepEnds(wholeSleep);
  // The last token of the prompt is a step too: the first answer follows it.
  final latencies = [
    for (final MapEntry(key: n, value: time) in arrivals.entries)
      if (n >= 1 && n <= ends.length) (time - ends[n - 1]) / 1000,
  ];
  print('token to event in the app: ${spread(latencies)}');
  await app.release(id);
}

/// A request and its answer, one after another and many at once.
Future<void> messages(App app, int count) async {
  final id = await loadScript(app, fastStep, 10);
  final times = <num>[];
  for (var i = 0; i < 2000; ++i) {
    final start = clock.now();
    await app.ask<IsGenerating>(GetIsGenerating(modelID: id));
    times.add((clock.now() - start) / 1000);
  }
  print('request to answer: ${spread(times)}');

  var answers = 0;
  final all = Completer<void>();
  app.onMessage = (message) {
    if (message is IsGenerating && ++answers == count) all.complete();
  };
  final start = clock.now();
  for (var i = 0; i < count; ++i) {
    app.send(GetIsGenerating(modelID: id));
  }
  await all.future;
  final seconds = (clock.now() - start) / 1e9;
  app.onMessage = null;
  print('answers a second: ${(count / seconds).round()} (of $count at once)');
  await app.release(id);
}

/// What following a generation costs, beyond the generation.
typedef Cost = ({double cpu, int bytes, int messages});

Future<Cost> follow(
  App app,
  int id, {
  bool push = false,
  Duration? poll,
  double base = 0,
}) async {
  var bytes = 0;
  var messages = 0;
  final ended = Completer<void>();
  app.onMessage = (message) {
    if (message is! FromRWKV) return;
    ++messages;
    switch (message) {
      case GenerationDelta(:final text):
        bytes += text.length;
      case ResponseBufferContent(:final responseBufferContent):
        bytes += responseBufferContent.length;
      case GenerateStop() when !ended.isCompleted:
        ended.complete();
      default:
    }
  };
  Timer? timer;
  if (poll != null) {
    timer = Timer.periodic(poll, (_) {
      app
        ..send(GetResponseBufferContent(messages: ['Hi'], modelID: id))
        ..send(GetIsGenerating(modelID: id));
    });
  }
  final before = clock.processCpu();
  app.send(chat(['Hi'], id, push: push));
  await ended.future;
  final cpu = (clock.processCpu() - before) / 1e6;
  timer?.cancel();
  app.onMessage = null;
  app.send(ClearStates(modelID: id));
  return (cpu: cpu - base, bytes: bytes, messages: messages);
}

Future<void> pushAgainstPolls(App app, Duration step, int letters) async {
  final id = await loadScript(app, step, letters);
  await follow(app, id, push: true); // warms up
  final base = (await follow(app, id)).cpu;
  final push = await follow(app, id, push: true, base: base);
  print(
    'a text of $letters bytes, ${step.inMilliseconds} ms a byte; beyond '
    'the generation itself (${base.toStringAsFixed(0)} ms CPU):',
  );
  void tell(String name, Cost cost) => print(
    '  $name: ${cost.cpu.toStringAsFixed(0)} ms CPU, ${cost.bytes} bytes of '
    'text, ${cost.messages} messages; '
    '${(cost.cpu / push.cpu).toStringAsFixed(1)} x CPU, '
    '${(cost.bytes / push.bytes).toStringAsFixed(1)} x bytes',
  );
  tell('push', push);
  for (final interval in [20, 60]) {
    final poll = Duration(milliseconds: interval);
    tell('poll $interval ms', await follow(app, id, poll: poll, base: base));
  }
  await app.release(id);
}

/// Sends [count] pieces of text as the runtime's isolate does.
void sendPieces((SendPort, int) to) {
  final (port, count) = to;
  final request = chat(['Hi'], 0, push: true);
  for (var i = 1; i <= count; ++i) {
    port.send(
      GenerationDelta(
        modelID: 0,
        generationID: 1,
        slot: 0,
        sequence: i,
        text: 'a piece',
        tokens: [i],
        req: request,
      ),
    );
  }
}

/// What an event takes of the app's isolate: they queue while it is busy, and
/// are then taken one after another.
Future<void> timeInTheApp(int count) async {
  for (final warm in [false, true]) {
    final text = StringBuffer();
    final all = Completer<void>();
    final port = ReceivePort();
    var received = 0;
    var start = 0;
    port.listen((message) {
      if (received == 0) start = clock.now();
      switch (message) {
        case GenerationDelta(text: final piece):
          text.write(piece);
        default:
      }
      if (++received == count) all.complete();
    });
    await Isolate.spawn(sendPieces, (port.sendPort, count));
    final until = clock.now() + 2000000000;
    while (clock.now() < until) {}
    await all.future;
    port.close();
    if (!warm) continue;
    final each = (clock.now() - start) / 1000 / count;
    print(
      'time of a token event in the app\'s isolate: '
      '${each.toStringAsFixed(1)} us (mean of $count)',
    );
  }
}

Future<void> main() async {
  final app = App();
  await app.start(notifyGenerationEnd: true);
  await tokenLatency(app, 600);
  await messages(app, 20000);
  await timeInTheApp(20000);
  await pushAgainstPolls(app, usualStep, 500);
  await pushAgainstPolls(app, fastStep, 3000);
  await app.end();
  exit(0);
}
