// The small client.
import 'dart:async';
import 'dart:io';

import 'package:rwkv_mobile_flutter/rwkv_client.dart';
import 'package:rwkv_mobile_flutter/src/client/joining_events.dart';
import 'package:rwkv_mobile_flutter/src/native_library.dart';

import 'app.dart' show modelPath, waitForNothingAlive;
import 'harness.dart';

/// Makes the VM collect.
List<int> garbage = const [];

Future<String> textOf(Stream<RwkvEvent> events) async {
  final text = StringBuffer();
  await for (final event in events) {
    if (event is RwkvText) text.write(event.text);
  }
  return text.toString();
}

Future<void> main() async {
  late Rwkv rwkv;
  late RwkvModel model;

  await test('a model is loaded, with progress that does not fall', () async {
    rwkv = await Rwkv.open();
    final progress = <double>[];
    model = await rwkv.load(modelPath, onProgress: progress.add);
    for (var i = 0; i < progress.length; ++i) {
      check(progress[i] >= 0 && progress[i] <= 1, '$progress');
      check(i == 0 || progress[i] >= progress[i - 1], '$progress');
    }
    await model.setSampling(
      topK: 1,
      presencePenalty: 0,
      frequencyPenalty: 0,
      seed: 1,
    );
  });

  await test('what is no encoder is an exception, and a tag shows no file to a '
      'model without eyes', () async {
    final missing = await thrownBy<RwkvException>(
      () => model.loadVisionEncoder('no/eyes.gguf', adapter: 'no/adapter.gguf'),
    );
    equal(missing.code, 'not_found');
    final bad = await thrownBy<RwkvException>(
      () => model.loadAudioEncoder('pubspec.yaml'),
    );
    check(bad.code == 'bad_file' || bad.code == 'unsupported', bad.code);
    await rwkv.setPictureTag('image');
    final blind = await thrownBy<RwkvException>(
      () => textOf(model.chat(['<image>no.png</image>What is it?'])),
    );
    equal(blind.code, 'unsupported');
    await rwkv.setPictureTag('');
    final deaf = await thrownBy<RwkvException>(
      () => model.setAudioPrompt('no.wav'),
    );
    equal(deaf.code, 'unsupported');
    await model.releaseVisionEncoder();
  });

  await test('a bad file is an exception', () async {
    final e = await thrownBy<RwkvException>(() => rwkv.load('no/file.gguf'));
    equal(e.code, 'not_found');
    check(e.message.contains('no/file.gguf'), e.message);
    final bad = await thrownBy<RwkvException>(() => rwkv.load('pubspec.yaml'));
    equal(bad.code, 'bad_file');
  });

  await test('a load that is given up leaves no model', () async {
    final e = await thrownBy<RwkvException>(
      () => rwkv.load(modelPath, cancelWhen: Future.value()),
    );
    equal(e.code, 'cancelled');
    final mine = await thrownBy<FormatException>(
      () => rwkv.load(
        modelPath,
        onProgress: (_) => throw const FormatException('mine'),
      ),
    );
    equal(mine.message, 'mine');
    equal([for (final m in await rwkv.models()) m.id], [model.id]);
  });

  await test('giving up a load that has ended stops nothing', () async {
    final late = Completer<void>();
    final second = await rwkv.load(modelPath, cancelWhen: late.future);
    final ends = <RwkvEnd>[];
    await for (final event in second.complete('What', maxTokens: 200)) {
      if (event is RwkvText && !late.isCompleted) {
        late.complete();
        await rwkv.models(); // a Stop would have been served before this
      }
      if (event is RwkvEnd) ends.add(event);
    }
    check(
      ends.single.reason != GenerationEndReason.cancelled,
      '${ends.single.reason}',
    );
    await second.release();
  });

  await test('an error leads to where it was asked for', () async {
    try {
      await model.chat([]).drain<void>();
      check(false, 'a chat without messages');
    } on RwkvException catch (e, trace) {
      equal(e.code, 'invalid_argument');
      check('$trace'.contains('client_test.dart'), '$trace');
    }
  });

  await test('a chat is text and one end', () async {
    final text = StringBuffer();
    final ends = <RwkvEnd>[];
    await for (final event in model.chat(['What is the capital of Peru?'])) {
      switch (event) {
        case RwkvProgress(:final progress):
          check(progress >= 0 && progress <= 1, '$progress');
        case RwkvText(text: final piece):
          text.write(piece);
        case RwkvEnd():
          ends.add(event);
      }
    }
    equal('$text', 'Lima.');
    equal(ends.length, 1);
    check(
      ends.single.reason == GenerationEndReason.stop ||
          ends.single.reason == GenerationEndReason.eos,
      '${ends.single.reason}',
    );
    check(ends.single.generatedTokens! > 0, 'tokens are counted');
  });

  await test('a conversation goes on', () async {
    final text = await textOf(
      model.chat([
        'My name is Mira.',
        'Nice to meet you, Mira.',
        'What is my name?',
      ]),
    );
    check(text.contains('Mira'), text);
  });

  await test('a completion has only what is new', () async {
    const prompt = 'User: What is the capital of Peru?\n\nAssistant:';
    final text = await textOf(model.complete(prompt, maxTokens: 3));
    check(!text.contains('capital') && text.startsWith(' '), text);
    final short = await textOf(model.complete(prompt, maxTokens: 1));
    check(text.startsWith(short), '$short, $text');
  });

  await test('the length is kept', () async {
    RwkvEnd? end;
    await for (final event in model.complete('What', maxTokens: 2)) {
      if (event is RwkvEnd) end = event;
    }
    equal(end!.reason, GenerationEndReason.length);
    equal(end.generatedTokens, 2);
  });

  await test('a batch answers each conversation', () async {
    final texts = ['', ''];
    final ends = <int>[];
    await for (final event in model.chatBatch([
      ['What is the capital of Peru?'],
      ['What is 47+38?'],
    ])) {
      if (event is RwkvText) texts[event.slot] += event.text;
      if (event is RwkvEnd) ends.add(event.slot);
    }
    equal(texts, ['Lima.', '85']);
    equal(ends..sort(), [0, 1]);
  });

  await test('each conversation of a batch can be followed', () async {
    final events = model.chatBatch([
      ['What is the capital of Peru?'],
      ['What is 64+29?'],
    ], reasoning: true);
    final texts = ['', ''];
    final followed = <Future<List<RwkvEvent>>>[];
    await for (final event in events) {
      if (event is! RwkvText) continue;
      texts[event.slot] += event.text;
      if (followed.isNotEmpty) continue;
      followed.addAll([
        for (final slot in [0, 1]) model.attach(slot: slot).toList(),
      ]);
    }
    for (final (slot, all) in (await Future.wait(followed)).indexed) {
      final text = [
        for (final event in all)
          if (event is RwkvText) event.text,
      ].join();
      equal(text, texts[slot]);
      equal([for (final e in all.whereType<RwkvEnd>()) e.slot], [slot]);
    }
  });

  await test('text that nobody takes waits as one piece a slot', () async {
    final events = JoiningEvents(onListen: () {}, onCancel: () {});
    final seen = <RwkvEvent>[];
    final listening = events.stream.listen(seen.add)..pause();
    events
      ..add(const RwkvText(1, 1, 'to'))
      ..add(const RwkvText(1, 1, 'on', slot: 1))
      ..add(const RwkvText(1, 2, 'gether'))
      ..add(const RwkvEnd(1, GenerationEndReason.eos, slot: 1))
      ..add(const RwkvText(1, 3, ' again'));
    listening.resume();
    await Future<void>.delayed(Duration.zero);
    events
      ..add(const RwkvText(1, 4, '.'))
      ..close();
    await listening.asFuture<void>();
    equal(
      [
        for (final event in seen)
          event is RwkvText
              ? '${event.slot} ${event.sequence} ${event.text}'
              : 'end',
      ],
      ['0 2 together', '1 1 on', 'end', '0 3  again', '0 4 .'],
    );
  });

  await test('a state is saved and loaded, and a bad one refused', () async {
    const turns = ['My name is Mira.', 'Nice to meet you, Mira.'];
    final folder = Directory.systemTemp.createTempSync('rwkv');
    final file = '${folder.path}/mira.state';
    await model.saveState(turns, file);
    await model.clearStates();
    await model.loadState(file);
    final text = await textOf(model.chat([...turns, 'What is my name?']));
    check(text.contains('Mira'), text);
    final e = await thrownBy<RwkvException>(() => model.loadState('$file.no'));
    equal(e.code, 'not_found');
    File(file).writeAsStringSync('nonsense');
    final bad = await thrownBy<RwkvException>(() => model.loadState(file));
    equal(bad.code, 'bad_file');
    folder.deleteSync(recursive: true);
  });

  await test('a paused stream keeps the text', () async {
    final text = StringBuffer();
    late final StreamSubscription<RwkvEvent> answer;
    answer = model.chat(['What is the capital of Peru?']).listen((event) {
      if (event is! RwkvText) return;
      text.write(event.text);
      answer.pause(Future<void>.delayed(const Duration(milliseconds: 50)));
    });
    await answer.asFuture<void>();
    equal('$text', 'Lima.');
  });

  await test('leaving the loop stops the model', () async {
    await for (final event in model.complete('What is', maxTokens: 1 << 20)) {
      if (event is RwkvText) break;
    }
    // Free at once: not busy.
    equal(await textOf(model.chat(['What is the capital of Peru?'])), 'Lima.');
  });

  await test('a stream that was cancelled makes way at once', () async {
    final started = Completer<void>();
    final first = model.complete('What is', maxTokens: 1 << 20).listen((event) {
      if (event is RwkvText && !started.isCompleted) started.complete();
    });
    await started.future;
    unawaited(first.cancel());
    equal(await textOf(model.chat(['What is the capital of Peru?'])), 'Lima.');
  });

  await test('a busy model says so, and its stream goes on', () async {
    final first = model.chat(['What is 64+29?'], reasoning: true).listen(null);
    final e = await thrownBy<RwkvException>(() => textOf(model.chat(['Hi'])));
    equal(e.code, 'busy');
    await first.asFuture<void>();
  });

  await test('stop ends the stream with its reason', () async {
    RwkvEnd? end;
    await for (final event in model.complete('What is', maxTokens: 1 << 20)) {
      if (event is RwkvText) await model.stop();
      if (event is RwkvEnd) end = event;
    }
    check(
      end!.reason == GenerationEndReason.cancelled ||
          end.reason == GenerationEndReason.eos,
      '${end.reason}',
    );
  });

  await test('memory goes back under pressure, and the model wakes', () async {
    final before = await rwkv.memory();
    equal([for (final m in before.models) m.modelID], [model.id]);
    check(before.usedBytes > 0, 'a model takes memory');
    final released = await rwkv.releaseMemory(MemoryPressure.critical);
    equal(released.unloadedModelIDs, [model.id]);
    check(released.bytesAfter < released.bytesBefore, 'something is free');
    check((await rwkv.memory()).models.single.asleep, 'it sleeps');
    equal(await textOf(model.chat(['What is the capital of Peru?'])), 'Lima.');
    check(!(await rwkv.memory()).models.single.asleep, 'it is awake');
  });

  await test('a load beyond the budget is refused with the figures', () async {
    await rwkv.setMemoryBudget(1 << 20);
    equal((await rwkv.memory()).budgetBytes, 1 << 20);
    final e = await thrownBy<RwkvException>(() => rwkv.load(modelPath));
    equal(e.code, 'out_of_memory');
    check(e.message.contains('MB'), e.message);
    await rwkv.setMemoryBudget(0);
    equal((await rwkv.memory()).budgetBytes, 0);
    equal(await textOf(model.chat(['What is the capital of Peru?'])), 'Lima.');
  });

  await test('an absurd weight is refused, the model goes on', () async {
    await model.setWeight(3);
    for (final weight in [0.0, -1.0, 1e6]) {
      final e = await thrownBy<RwkvException>(() => model.setWeight(weight));
      equal(e.code, 'invalid_argument');
    }
    equal(await textOf(model.chat(['What is the capital of Peru?'])), 'Lima.');
  });

  await test('another client sees the model and what it wrote', () async {
    final text = await textOf(model.chat(['What is the capital of Peru?']));
    final other = await Rwkv.open();
    final seen = await other.models();
    equal([for (final m in seen) m.path], [modelPath]);
    equal(await textOf(seen.single.attach()), text);
    await other.close();
  });

  await test('a released model is gone', () async {
    await model.release();
    equal(await rwkv.models(), <RwkvModel>[]);
    final e = await thrownBy<RwkvException>(() => textOf(model.chat(['Hi'])));
    equal(e.code, 'not_found');
    await thrownBy<RwkvException>(model.release);
    // Not an empty stream, as for a model that has written nothing: whoever
    // means a model that is gone should hear so.
    final attached = await thrownBy<RwkvException>(model.attach().toList);
    equal(attached.code, 'not_found');
  });

  await test('closing ends open streams with an exception', () async {
    model = await rwkv.load(modelPath);
    final e = await thrownBy<RwkvException>(() async {
      await for (final event in model.complete('a', maxTokens: 1 << 20)) {
        if (event is RwkvText) await rwkv.close();
      }
    });
    equal(e.code, 'closed');
    equal((await thrownBy<RwkvException>(rwkv.models)).code, 'closed');
  });

  await test('closing right after an answer leaves nothing alive', () async {
    await waitForNothingAlive();
    final client = await Rwkv.open();
    await client.models();
    await client.close();
    await waitForNothingAlive();
  });

  await test('a client that is forgotten is closed', () async {
    await waitForNothingAlive();
    Future<void> forget() async => (await Rwkv.open()).models();
    await forget();
    final bindings = NativeLibrary.open().bindings;
    for (var i = 0; bindings.rwkv_bridge_live_objects() > 0; ++i) {
      check(i < 2000, 'it is never closed');
      garbage = List.filled(i.isEven ? 200000 : 1000, i);
      await Future<void>.delayed(const Duration(milliseconds: 5));
    }
  });

  finish();
}
