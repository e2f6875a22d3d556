// The side of an app: one port for everything, and a log of what came.
import 'dart:async';
import 'dart:isolate';

import 'package:rwkv_mobile_flutter/from_rwkv.dart' as from_rwkv;
import 'package:rwkv_mobile_flutter/from_rwkv.dart';
import 'package:rwkv_mobile_flutter/rwkv.dart';
import 'package:rwkv_mobile_flutter/src/native_library.dart';
import 'package:rwkv_mobile_flutter/src/root_isolate_token.dart';

/// The shipped model.
const modelPath = 'models/tiny/rwkv7-tiny.gguf';

class App {
  App() {
    port.listen((message) {
      final other = onMessage;
      if (other != null) {
        other(message as Object);
        return;
      }
      log.add(message as Object);
      final news = _news;
      _news = Completer();
      news.complete();
    });
  }

  final ReceivePort port = ReceivePort();
  final RWKVMobile rwkv = RWKVMobile();

  /// Gets what comes instead of the log, where it is set.
  void Function(Object message)? onMessage;

  /// All that came, in order.
  final List<Object> log = [];
  Completer<void> _news = Completer();

  late SendPort requests;

  StartOptions options({
    String? libraryPath,
    bool push = false,
    bool notifyGenerationEnd = false,
  }) => StartOptions(
    sendPort: port.sendPort,
    rootIsolateToken: RootIsolateToken.instance!,
    libraryPath: libraryPath,
    push: push,
    notifyGenerationEnd: notifyGenerationEnd,
  );

  Future<void> start({
    String? libraryPath,
    bool push = false,
    bool notifyGenerationEnd = false,
  }) async {
    final from = log.length;
    await rwkv.runIsolate(
      options(
        libraryPath: libraryPath,
        push: push,
        notifyGenerationEnd: notifyGenerationEnd,
      ),
    );
    requests = await wait<SendPort>(from: from);
  }

  Future<void> end() async {
    await rwkv.dispose();
    port.close();
  }

  void send(ToRWKV request) => requests.send(request);

  /// The first [T] in the log, from index [from] on, that is as wanted.
  Future<T> wait<T>({bool Function(T message)? where, int from = 0}) async {
    for (var i = from; ; ++i) {
      while (i >= log.length) {
        await _news.future;
      }
      final message = log[i];
      if (message is T && (where == null || where(message as T))) {
        return message as T;
      }
    }
  }

  /// Sends [request] and returns the first [T] that answers it.
  Future<T> ask<T extends FromRWKV>(
    ToRWKV request, {
    bool Function(T answer)? where,
  }) {
    final from = log.length;
    send(request);
    return wait<T>(
      from: from,
      where:
          (answer) =>
              answer.req == request && (where == null || where(answer)),
    );
  }

  /// What answered [request].
  List<FromRWKV> answersTo(ToRWKV request) => [
    for (final message in log)
      if (message is FromRWKV && message.req == request) message,
  ];

  Future<int> load({Object? extra}) async {
    final last = await ask<LoadModelSteps>(
      LoadRWKVModel(
        modelPath: modelPath,
        backend: Backend.llamacpp,
        tokenizerPath: '',
        extra: extra,
      ),
      where:
          (step) =>
              step.status == LoadingStatus.loaded ||
              step.status == LoadingStatus.failedInLoading,
    );
    if (last.modelID == null) throw StateError('not loaded: ${last.info}');
    return last.modelID!;
  }

  Future<LoadModelSteps> release(int id, {Object? extra}) =>
      ask<LoadModelSteps>(
        ReleaseRWKVModel(modelID: id, extra: extra),
        where: (step) => step.status != LoadingStatus.releasing,
      );

  /// The likeliest token always, so that answers are the same every time.
  void beGreedy(int id) => send(
    SetSamplerParams(
      temperature: 1,
      topK: 1,
      topP: 1,
      presencePenalty: 0,
      frequencyPenalty: 0,
      penaltyDecay: 0.99,
      modelID: id,
    ),
  );

  /// Sends a generation request and polls as apps do until it has ended.
  Future<String> poll(ToRWKV request, int id) async {
    final started = await ask<FromRWKV>(request);
    if (started is! GenerateStart) throw StateError('not started: $started');
    return finalText(id);
  }

  Future<String> finalText(int id) async {
    while (true) {
      final content = await ask<ResponseBufferContent>(
        GetResponseBufferContent(messages: ['any'], modelID: id),
      );
      final flag = await ask<IsGenerating>(GetIsGenerating(modelID: id));
      if (!flag.isGenerating) return content.responseBufferContent;
      await Future<void>.delayed(const Duration(milliseconds: 10));
    }
  }

  /// Errors that came.
  List<String> get errors => [
    for (final message in log)
      if (message is from_rwkv.Error) message.message,
  ];
}

ChatAsync chat(
  List<String> messages,
  int id, {
  bool think = false,
  bool push = false,
  int? maxLength,
}) => ChatAsync(
  messages,
  enableReasoning: think,
  forceReasoning: false,
  addGenerationPrompt: messages.length.isOdd,
  maxLength: maxLength,
  modelID: id,
  push: push,
);

/// Waits until nothing of the bridge is alive in this process: a runtime ends in
/// the background.
Future<void> waitForNothingAlive() async {
  final bindings = NativeLibrary.open().bindings;
  for (var i = 0; i < 400; ++i) {
    if (bindings.rwkv_bridge_live_objects() == 0) return;
    await Future<void>.delayed(const Duration(milliseconds: 10));
  }
  throw StateError(
    '${bindings.rwkv_bridge_live_objects()} objects of the bridge are still '
    'alive',
  );
}
