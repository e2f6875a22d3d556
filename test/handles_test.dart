// Handles of models, streams and clients mean what they were made for, and end
// without a trace.
import 'dart:async';
import 'dart:io';
import 'dart:isolate';

import 'package:rwkv_mobile_flutter/rwkv_client.dart';

import 'app.dart' show modelPath;
import 'harness.dart';

List<int> garbage = const [];

Future<String> textOf(Stream<RwkvEvent> events) async {
  final text = StringBuffer();
  await for (final event in events) {
    if (event is RwkvText) {
      check(event.text.isNotEmpty, 'an empty piece');
      text.write(event.text);
    }
  }
  return '$text';
}

/// What nobody handles while [body] runs and a little longer.
Future<List<Object>> unhandledIn(Future<void> Function() body) async {
  final errors = <Object>[];
  final done = Completer<void>();
  runZonedGuarded(() async {
    await body();
    await Future<void>.delayed(const Duration(milliseconds: 100));
    done.complete();
  }, (error, _) => errors.add(error));
  await done.future;
  return errors;
}

Future<void> loadAndDie(SendPort started) async {
  final rwkv = await Rwkv.open();
  final load = rwkv.load(modelPath);
  started.send(null);
  await load;
}

Future<RwkvModel> openAndLoad() async => (await Rwkv.open()).load(modelPath);

Future<void> main() async {
  final rwkv = await Rwkv.open();

  await test('a released model is not the next one of its number', () async {
    final first = await rwkv.load(modelPath);
    await first.release();
    final second = await rwkv.load(modelPath);
    equal(second.id, first.id);
    check(first != second, '$first is not $second');
    equal((await rwkv.models()).single, second);
    final uses = <Future<void> Function()>[
      () => first.complete('a', maxTokens: 1).drain<void>(),
      () => first.attach().drain<void>(),
      () => first.setSampling(topK: 1),
      () => first.unloadInitialState('no'),
      first.stop,
      first.clearStates,
      first.release,
    ];
    for (final use in uses) {
      equal((await thrownBy<RwkvException>(use)).code, 'not_found');
    }
    equal((await rwkv.models()).length, 1);
    await second.release();
  });

  final model = await rwkv.load(modelPath);
  await model.setSampling(topK: 1, presencePenalty: 0, frequencyPenalty: 0);

  await test('what goes on tells only what is new', () async {
    final whole = await textOf(model.chat(['What is the capital of Peru?']));
    final begun = whole.substring(0, 3);
    final turns = ['What is the capital of Peru?', begun];
    final rest = await textOf(model.chat(turns));
    equal('$begun$rest', whole);
    equal(await textOf(model.attach()), rest);
    final pieces = ['', begun];
    await for (final event in model.chatBatch([
      [turns.first],
      turns,
    ])) {
      if (event is RwkvText) pieces[event.slot] += event.text;
    }
    equal(pieces, [whole, whole]);
  });

  await test('who attaches hears what a completion tells', () async {
    final text = await textOf(model.complete('User: Hi', maxTokens: 9));
    equal(await textOf(model.attach()), text);
  });

  await test('who attaches names a piece that there is', () async {
    late RwkvText last;
    await for (final event in model.chat(['What is 12+31?'])) {
      if (event is RwkvText) last = event;
    }
    final generation = last.generation;
    Stream<RwkvEvent> after(int piece) =>
        model.attach(generation: generation, after: piece);
    equal(await textOf(after(last.sequence)), '');
    final beyond = after(last.sequence + 1).drain<void>;
    equal((await thrownBy<RwkvException>(beyond)).code, 'invalid_argument');
  });

  await test('all conversations of a batch can be followed', () async {
    final batch = model.chatBatch([
      ['What is 12+31?'],
      ['What is the capital of Peru?'],
    ]);
    final texts = ['', ''];
    final heard = ['', ''];
    Future<List<RwkvEvent>>? others;
    await for (final event in batch) {
      if (event is! RwkvText) continue;
      texts[event.slot] += event.text;
      others ??= model.attach(slot: -1).toList();
    }
    final all = await others!;
    for (final event in all.whereType<RwkvText>()) {
      heard[event.slot] += event.text;
    }
    equal(heard, texts);
    equal([for (final end in all.whereType<RwkvEnd>()) end.slot]..sort(), [0, 1]);
  });

  await test('a cancelled stream makes way before it has begun', () async {
    for (var i = 0; i < 20; ++i) {
      final first = model.complete('a', maxTokens: 500).listen((_) {});
      final cancelled = first.cancel();
      await model.complete('b', maxTokens: 2).drain<void>();
      await cancelled;
    }
  });

  await test('settings given at once all count', () async {
    await Future.wait([
      model.setSampling(topK: 40),
      model.setSampling(topK: 1),
      model.setSampling(temperature: 2, seed: 3),
    ]);
    equal(
      await textOf(model.chat(['What is the capital of Peru?'])),
      'Lima.',
    );
  });

  await test('errors name what the caller wrote', () async {
    final calls = <String, Future<void> Function()>{
      'maxTokens': () => model.complete('a', maxTokens: -2).drain<void>(),
      'gpuLayers': () => rwkv.load(modelPath, gpuLayers: -1),
      'topP': () => model.setSampling(topP: double.infinity),
      'weight': () => model.setWeight(double.nan),
      'limitBytes': () => model.setStateCache(limitBytes: -1),
      'conversation 1': () => model.chatBatch([['a'], []]).drain<void>(),
      'no conversation': () => model.chatBatch([]).drain<void>(),
    };
    for (final MapEntry(key: name, value: call) in calls.entries) {
      final e = await thrownBy<RwkvException>(call);
      equal(e.code, 'invalid_argument');
      check(e.message.contains(name), '$name: ${e.message}');
    }
  });

  await test('a load takes a device and settings of the report', () async {
    final report = await rwkv.doctor();
    final llama = report.backends.firstWhere((b) => b.name == 'llama.cpp');
    final other = await rwkv.load(
      modelPath,
      device: llama.devices.last.id,
      settings: {llama.settings.single.key: 'copied'},
    );
    await other.release();
    final e = await thrownBy<RwkvException>(
      () => rwkv.load(modelPath, device: 'no such device'),
    );
    equal(e.code, 'invalid_argument');
    check(e.message.contains(llama.devices.last.id), e.message);
  });

  await test('a load that is told of ends at 1', () async {
    final progress = <double>[];
    final other = await rwkv.load(modelPath, onProgress: progress.add);
    equal(progress.last, 1.0);
    await other.release();
  });

  await test('what is printed says something, and equal is equal', () async {
    check('$model'.contains(modelPath), '$model');
    check('${await rwkv.memory()}'.contains('usedBytes'), 'memory');
    const text = RwkvText(1, 2, 'a');
    equal(text, const RwkvText(1, 2, 'a'));
    check(text != const RwkvText(1, 2, 'b'), 'another text');
    check('$text'.contains('RwkvText'), '$text');
    final info = (await rwkv.memory()).models;
    equal(info, (await rwkv.memory()).models);
  });

  await test('leaving in any order leaves no unhandled error', () async {
    for (var order = 0; order < 3; ++order) {
      final errors = await unhandledIn(() async {
        final other = await Rwkv.open();
        final mine = await other.load(modelPath);
        final answer = mine
            .complete('a', maxTokens: 1 << 20)
            .listen((_) {}, onError: (Object _) {});
        await Future<void>.delayed(const Duration(milliseconds: 30));
        if (order == 0) unawaited(answer.cancel());
        if (order == 2) unawaited(mine.release());
        unawaited(other.close());
        if (order != 0) unawaited(answer.cancel());
      });
      equal(errors, <Object>[], 'order $order');
    }
    for (final left in await rwkv.models()) {
      if (left != model) await left.release();
    }
  });

  await test('who asks for a release and leaves need not wait', () async {
    final other = await Rwkv.open();
    final mine = await other.load(modelPath);
    for (var i = 0; i < 2000; ++i) {
      other.memory().ignore(); // what is dropped with the port
    }
    unawaited(mine.release());
    unawaited(other.close());
    for (var i = 0; (await rwkv.models()).contains(mine); ++i) {
      check(i < 500, 'it is never released');
      await Future<void>.delayed(const Duration(milliseconds: 10));
    }
  });

  await test('a load that dies with its isolate leaves no model', () async {
    for (var i = 0; i < 5; ++i) {
      final started = ReceivePort();
      final exited = ReceivePort();
      final isolate = await Isolate.spawn(
        loadAndDie,
        started.sendPort,
        onExit: exited.sendPort,
      );
      await started.first;
      isolate.kill(priority: Isolate.immediate);
      await exited.first;
    }
    for (var i = 0; (await rwkv.models()).length > 1; ++i) {
      check(i < 200, '${await rwkv.models()}');
      await Future<void>.delayed(const Duration(milliseconds: 10));
    }
  });

  await test('what is served keeps its client', () async {
    final folder = Directory.systemTemp.createTempSync('kept');
    final turns = [for (var i = 0; i < 600; ++i) 'number $i'];
    final collect = Timer.periodic(const Duration(milliseconds: 1), (_) {
      for (var i = 0; i < 20; ++i) {
        garbage = List.filled(200000, i);
      }
    });
    await (await openAndLoad()).saveState(turns, '${folder.path}/state');
    collect.cancel();
    folder.deleteSync(recursive: true);
  });

  await rwkv.close();
  finish();
}
