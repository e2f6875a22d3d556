import 'dart:io';

import 'package:rwkv_mobile_flutter/rwkv_client.dart';

Future<void> main() async {
  final rwkv = await Rwkv.open();
  final model = await rwkv.load('models/tiny/rwkv7-tiny.gguf');
  await model.setSampling(topK: 1, presencePenalty: 0, frequencyPenalty: 0);
  await for (final event in model.chat(['What is 47+38?'])) {
    switch (event) {
      case RwkvProgress(:final progress):
        stderr.writeln('reading ${(100 * progress).round()} %');
      case RwkvText(:final text):
        stdout.write(text);
      case RwkvEnd(:final reason, :final generatedTokens):
        stdout.writeln(' (${reason.name}, $generatedTokens tokens)');
    }
  }
  await rwkv.close();
}
