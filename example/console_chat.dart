// A conversation in a terminal:
//   dart run example/console_chat.dart MODEL [--greedy]
//
// With --greedy the model always takes the likeliest word.
// The native library is the platform's, or what RWKV_MOBILE_LIBRARY says.
import 'dart:io';

import 'package:rwkv_mobile_flutter/rwkv_client.dart';

Future<void> main(List<String> arguments) async {
  if (arguments.isEmpty) {
    stderr.writeln('Usage: console_chat.dart MODEL [--greedy]');
    exitCode = 2;
    return;
  }
  Rwkv? rwkv;
  try {
    rwkv = await Rwkv.open();
    final model = await rwkv.load(arguments.first);
    if (arguments.contains('--greedy')) {
      await model.setSampling(topK: 1, presencePenalty: 0, frequencyPenalty: 0);
    }
    await converse(model);
  } on RwkvException catch (e) {
    stderr.writeln(e.message);
    exitCode = 1;
  } finally {
    await rwkv?.close();
  }
}

Future<void> converse(RwkvModel model) async {
  final turns = <String>[];
  while (true) {
    stdout.write('> ');
    final line = stdin.readLineSync();
    if (line == null) return;
    if (line.isEmpty) continue;
    turns.add(line);

    final answer = StringBuffer();
    await for (final event in model.chat(turns)) {
      switch (event) {
        case RwkvText(:final text):
          stdout.write(text);
          answer.write(text);
        case RwkvEnd():
          stdout.writeln();
        case RwkvProgress():
      }
    }
    turns.add(answer.toString());
  }
}
