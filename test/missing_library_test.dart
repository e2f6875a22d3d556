// Without a usable library everything is answered, and nothing throws.
import 'dart:ffi';
import 'dart:io';

import 'package:rwkv_mobile_flutter/from_rwkv.dart' as from_rwkv;
import 'package:rwkv_mobile_flutter/from_rwkv.dart';
import 'package:rwkv_mobile_flutter/rwkv.dart';
import 'package:rwkv_mobile_flutter/rwkv_client.dart';
import 'package:rwkv_mobile_flutter/src/chip.dart';
import 'package:rwkv_mobile_flutter/src/native_library.dart';

import 'app.dart';
import 'harness.dart';

const absent = 'build/dart/no/such/library.so';
const wrongAbi = 'build/dart/libwrong_abi.so';
const knownChip = 'build/dart/libknown_chip.so';
const stranger = 'build/dart/libstranger.so';

Future<void> main(List<String> arguments) async {
  if (arguments.contains('statics')) {
    print(
      [
        RWKVMobile.getSocName(),
        RWKVMobile.getPlatformName(),
        RWKVMobile.getSocPartname(),
        RWKVMobile.getSnapdragonHtpArch(),
        RWKVMobile.getAvailableBackendNames(),
        RWKVMobile.getRWKVMobileCommitHash(),
      ].join('|'),
    );
    return;
  }

  await test('every request fails in its own form', () async {
    final app = App();
    await app.start(libraryPath: absent);

    final load = LoadRWKVModel(
      modelPath: modelPath,
      backend: Backend.llamacpp,
      tokenizerPath: '',
      extra: {'mine': 1},
    );
    final step = await app.ask<LoadModelSteps>(load);
    equal(step.status, LoadingStatus.failedInLoading);
    check(step.info!.contains(absent), 'info names the file: ${step.info}');
    equal((step.req! as LoadRWKVModel).extra, {'mine': 1});

    final release = await app.ask<LoadModelSteps>(ReleaseRWKVModel(modelID: 3));
    equal(release.status, LoadingStatus.failedInReleasing);
    equal(release.modelID, 3);

    for (final request in [
      chat(['Hi'], 0),
      GenerateAsync('Hi', modelID: 0),
      SudokuOthelloGenerate('Hi', modelID: 0),
      ChatBatchAsync.withSlotConfigs([], modelID: 0),
    ]) {
      final stop = await app.ask<GenerateStop>(request);
      check(stop.error!.contains(absent), 'the error names the file');
    }
    equal(app.log.whereType<Map<Object?, Object?>>().toList(), [
      {'sudokuOthelloResponse': 'Hi'},
    ]);
    for (final request in [GetIsGenerating(modelID: 0), DumpLog()]) {
      final error = await app.ask<from_rwkv.Error>(request);
      equal(error.code, 'not_found');
    }
    equal(app.answersTo(load).length, 1, 'one terminal step');
    await app.end();
  });

  await test('a wrong ABI names the file and both versions', () async {
    final app = App();
    await app.start(libraryPath: wrongAbi);
    final error = await app.ask<from_rwkv.Error>(DumpLog());
    for (final part in [wrongAbi, '12.34.56', 'ABI 99', 'ABI 1']) {
      check(error.message.contains(part), '"$part" in ${error.message}');
    }
    await app.end();
  });

  await test('a library without the handshake is named', () async {
    final app = App();
    await app.start(libraryPath: stranger);
    final error = await app.ask<from_rwkv.Error>(DumpLog());
    check(error.message.contains(stranger), error.message);
    check(error.message.contains('rwkv_bridge_abi_version'), error.message);
    await app.end();
  });

  await test('a framework that is not linked is missing, not foreign', () {
    for (final names in [
      [null],
      ['no/librwkv_mobile.dylib', null],
    ]) {
      try {
        openFirst(names);
        check(false, '$names can be opened');
      } on NativeLibraryException catch (e) {
        equal(e.code, 'not_found');
        for (final name in names) {
          check(e.message.contains(name ?? 'the app itself'), e.message);
        }
        check(e.message.contains('RWKV_MOBILE_LIBRARY'), e.message);
      }
    }
  });

  await test('a NUL cuts no name short', () async {
    final e = await thrownBy<RwkvException>(
      () => Rwkv.open(runtimeName: 'a\x00b'),
    );
    equal(e.code, 'invalid_argument');
    final conversion = await thrownBy<NativeLibraryException>(
      () => convertCheckpoint('a\x00b', 'c'),
    );
    equal(conversion.code, 'invalid_argument');
  });

  await test('the client throws instead', () async {
    final missing = await thrownBy<RwkvException>(
      () => Rwkv.open(libraryPath: absent),
    );
    equal(missing.code, 'not_found');
    final wrong = await thrownBy<RwkvException>(
      () => Rwkv.open(libraryPath: wrongAbi),
    );
    equal(wrong.code, 'unsupported');
  });

  await test('statics are neutral without a library', () async {
    final result = await Process.run(
      Platform.resolvedExecutable,
      [
        '--packages=build/dart/package_config.json',
        Platform.script.toFilePath(),
        'statics',
      ],
      environment: {'RWKV_MOBILE_LIBRARY': absent},
    );
    equal('${result.stdout}'.trim(), '|Unknown||||', '${result.stderr}');
  });

  await test('statics tell what the library knows', () {
    final library = NativeLibrary.open(knownChip);
    equal(staticString('rwkvmobile_get_soc_name', of: library), '8 Gen 3');
    equal(staticString('rwkvmobile_get_htp_arch', of: library), null);
    equal(backendNames(of: library), 'ncnn,llama.cpp,');
  });

  await test('a conversion that the library cannot do throws', () async {
    final library = NativeLibrary.open(knownChip);
    await thrownBy<Exception>(() => convertCheckpoint('a', 'b', of: library));
  });

  await test('each platform has its library', () async {
    equal(platformLibraries('android', Abi.androidArm64), [
      'librwkv_mobile.so',
    ]);
    equal(platformLibraries('ios', Abi.iosArm64), [null]);
    equal(platformLibraries('macos', Abi.macosArm64), [
      'librwkv_mobile.dylib',
      null,
    ]);
    equal(platformLibraries('windows', Abi.windowsX64), ['rwkv_mobile.dll']);
    equal(platformLibraries('windows', Abi.windowsArm64), [
      'rwkv_mobile-arm64.dll',
      'rwkv_mobile.dll',
    ]);
    equal(
      platformLibraries('linux', Abi.linuxX64).first,
      'librwkv_mobile-linux-x86_64.so',
    );
    equal(
      platformLibraries('linux', Abi.linuxArm64).first,
      'librwkv_mobile-linux-aarch64.so',
    );
    await thrownBy<Exception>(() => platformLibraries('linux', Abi.linuxIA32));
    await thrownBy<Exception>(
      () => platformLibraries('fuchsia', Abi.fuchsiaX64),
    );
  });

  finish();
}
