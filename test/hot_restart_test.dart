// What a hot restart does: the isolate that listens is killed in the middle of
// a generation, a new one attaches and has the text without gap or repeat.
import 'dart:async';
import 'dart:io';
import 'dart:isolate';
import 'dart:math';

import 'package:rwkv_mobile_flutter/from_rwkv.dart';
import 'package:rwkv_mobile_flutter/rwkv.dart';
import 'package:rwkv_mobile_flutter/rwkv_client.dart';
import 'package:rwkv_mobile_flutter/src/runtime_isolate.dart';

import 'app.dart';
import 'harness.dart';

const prompt = 'What is';
const length = 120;

/// A piece of text that was seen before the kill.
typedef Piece = ({int generation, int sequence, String text});

/// An app with the client, which tells what it sees until it is killed.
Future<void> clientApp(SendPort observer) async {
  final rwkv = await Rwkv.open();
  final model = (await rwkv.models()).single;
  await for (final event in model.complete(prompt, maxTokens: length)) {
    if (event is RwkvText) {
      observer.send((
        generation: event.generation,
        sequence: event.sequence,
        text: event.text,
      ));
    }
  }
  observer.send(null);
}

/// Kills the client's isolate after [count] pieces, or at the end where a busy
/// machine makes fewer of the text, and returns those that came.
/// [onStarted] is called when it is attached and writes.
Future<List<Piece>> killClient(int count, void Function() onStarted) async {
  final pieces = <Piece>[];
  final observed = ReceivePort();
  final exited = ReceivePort();
  final isolate = await Isolate.spawn(
    clientApp,
    observed.sendPort,
    onExit: exited.sendPort,
  );
  await for (final piece in observed) {
    if (piece == null) break;
    pieces.add(piece as Piece);
    if (pieces.length == 1) onStarted();
    if (pieces.length >= count) break;
  }
  isolate.kill(priority: Isolate.immediate);
  await exited.first;
  return pieces;
}

/// The same with the isolate of [RWKVMobile].
Future<List<Piece>> killService(
  int count,
  void Function() onStarted,
  int modelID,
) async {
  final app = App();
  final exited = ReceivePort();
  final isolate = await Isolate.spawn(
    runtimeIsolate,
    RuntimeIsolateStart(app.options(push: true), null),
    onExit: exited.sendPort,
  );
  app.requests = await app.wait<SendPort>();
  app.send(GenerateAsync(prompt, maxLength: length, modelID: modelID));
  await app.wait<GenerationDelta>();
  onStarted();
  await app.wait<FromRWKV>(
    where:
        (message) =>
            message is GenerationEnd ||
            message is GenerationDelta && message.sequence >= count,
  );
  isolate.kill(priority: Isolate.immediate);
  await exited.first;
  app.port.close();
  return [
    for (final message in app.log)
      if (message is GenerationDelta)
        (
          generation: message.generationID,
          sequence: message.sequence,
          text: message.text,
        ),
  ];
}

Future<void> main() async {
  final kills = int.parse(Platform.environment['RWKV_KILLS'] ?? '200');
  final random = Random(7);

  await test('text goes on without gap or repeat, $kills times', () async {
    // The first app loads the model, hears the whole once, and dies.
    final app = App();
    final exited = ReceivePort();
    final isolate = await Isolate.spawn(
      runtimeIsolate,
      RuntimeIsolateStart(app.options(), null),
      onExit: exited.sendPort,
    );
    app.requests = await app.wait<SendPort>();
    final id = await app.load();
    app
      ..beGreedy(id)
      ..send(SetTokenBanned([0], modelID: id));
    final whole = await app.poll(
      GenerateAsync(prompt, maxLength: length, modelID: id),
      id,
    );
    check(whole.startsWith(prompt) && whole.length > 50, whole);
    app.send(GenerateAsync(prompt, maxLength: 100000, modelID: id, push: true));
    await app.wait<GenerationDelta>();
    isolate.kill(priority: Isolate.immediate);
    await exited.first;
    app.port.close();

    // Each app finds the model of the one before. Whoever is killed is the only
    // one attached at that moment, as at a hot restart.
    var rwkv = await Rwkv.open();
    await (await rwkv.models()).single.stop();
    var inTheMiddle = 0;
    for (var i = 0; i < kills; ++i) {
      final count = 1 + random.nextInt(6);
      void leave() => unawaited(rwkv.close());
      final pieces =
          i.isEven
              ? await killClient(count, leave)
              : await killService(count, leave, id);
      rwkv = await Rwkv.open();
      final model = (await rwkv.models()).single;
      equal(model.path, modelPath, 'the model is still loaded');
      for (var k = 1; k < pieces.length; ++k) {
        check(pieces[k].sequence > pieces[k - 1].sequence, 'numbers rise');
      }
      final text = StringBuffer(i.isEven ? prompt : '');
      pieces.map((piece) => piece.text).forEach(text.write);

      RwkvEnd? end;
      final last = pieces.last;
      final rest = model.attach(
        generation: last.generation,
        after: last.sequence,
      );
      await for (final event in rest) {
        equal(event.generation, last.generation);
        check(end == null, 'nothing after the end');
        if (event is RwkvText) text.write(event.text);
        if (event is RwkvEnd) end = event;
      }
      equal(end?.reason, GenerationEndReason.length);
      await model.stop(); // the text can end a little before the model is free
      equal('$text', whole, 'round $i, killed after ${last.sequence}');
      if (end!.generatedTokens != null) ++inTheMiddle;
    }
    await rwkv.close();
    // Nothing is proved when the generations had ended before the kills.
    check(inTheMiddle * 2 > kills, 'in the middle: $inTheMiddle of $kills');
  }, limit: const Duration(minutes: 12));

  await test('who was killed while idle does not keep the runtime', () async {
    final app = App();
    final exited = ReceivePort();
    final isolate = await Isolate.spawn(
      runtimeIsolate,
      RuntimeIsolateStart(app.options(), null),
      onExit: exited.sendPort,
    );
    app.requests = await app.wait<SendPort>();
    await app.load();
    isolate.kill(priority: Isolate.immediate);
    await exited.first;
    app.port.close();

    final next = App();
    await next.start();
    final ids = await next.ask<LoadedModelIDs>(GetLoadedModelIDs());
    equal(ids.loadedModelIDs, [0], 'the model is still loaded');
    await next.end();
    app.log.clear();
    next.log.clear();
    await waitForNothingAlive();
  });

  await test('nothing is alive at the end', waitForNothingAlive);

  finish();
}
