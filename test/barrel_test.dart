// What the one import of an app brings, and what it must not bring.
import 'dart:isolate';

import 'package:rwkv_mobile_flutter/rwkv.dart';
import 'package:rwkv_mobile_flutter/rwkv_mobile_ffi.dart' as rwkv;
import 'package:rwkv_mobile_flutter/src/root_isolate_token.dart';

import 'harness.dart';

/// Names of an app's own, which a leak of the barrel would make ambiguous.
class Speed {}

class GenerationEnd {}

class Rwkv {}

int forced(String? style) => switch (style) {
  'en' => rwkv.FORCE_LANG_EN,
  'zh' => FORCE_LANG_CHN,
  _ => rwkv.FORCE_LANG_NONE,
};

Future<void> main() async {
  await test("Error is the language's", () {
    check(StateError('') is Error, 'dart:core');
  });

  await test('requests, types and constants are there', () {
    final List<ToRWKV> requests = [
      SetImageUniqueIdentifier('image'),
      SetSpaceAfterRoles(false, modelID: 0),
      LoadRWKVModel(
        modelPath: '',
        backend: Backend.llamacpp,
        tokenizerPath: '',
      ),
    ];
    check(requests[0] != requests[1], 'two requests');
    equal([forced('en'), forced('zh'), forced(null)], [2, 1, 0]);
    const levels = [
      RWKV_LOG_LEVEL_DEBUG,
      RWKV_LOG_LEVEL_INFO,
      RWKV_LOG_LEVEL_WARN,
      RWKV_LOG_LEVEL_ERROR,
    ];
    equal(levels, [0, 1, 2, 3]);
    equal(SocBrand.fromString('Snapdragon'), SocBrand.snapdragon);
    equal(LoadingStatus.values.length, 9);
  });

  await test('start options are constant and need only two fields', () {
    final port = ReceivePort();
    final options = StartOptions(
      sendPort: port.sendPort,
      rootIsolateToken: RootIsolateToken.instance!,
    );
    check(!options.push && !options.notifyGenerationEnd, 'all else is off');
    port.close();
    final Future<void> Function(StartOptions) start = RWKVMobile().runIsolate;
    check(start is Function, 'runIsolate');
  });

  finish();
}
