// Finds, opens and checks the native library.
import 'dart:convert';
import 'dart:ffi';
import 'dart:io';

import '../rwkv_mobile_ffi.dart';

/// The library cannot be used. [code] is one of those of `Error.code`.
class NativeLibraryException implements Exception {
  NativeLibraryException(this.code, this.message);

  final String code;
  final String message;

  @override
  String toString() => message;
}

/// An opened library whose ABI is ours.
final class NativeLibrary {
  NativeLibrary._(this.name, this.library) : bindings = rwkv_mobile(library);

  /// The library of [path], or of the environment variable RWKV_MOBILE_LIBRARY,
  /// or of the platform. It is opened once in each isolate. Throws a
  /// [NativeLibraryException].
  factory NativeLibrary.open([String? path]) =>
      _opened[path] ??= _openAndCheck(path);

  static final Map<String?, NativeLibrary> _opened = {};

  /// What it was opened by.
  final String name;

  /// Where its symbols are.
  final DynamicLibrary library;

  /// Its functions.
  final rwkv_mobile bindings;

  /// The library's version, for messages.
  String get version => stringAt(bindings.rwkv_bridge_version());

  /// Calls [use] with a copy of [bytes] and a NUL after it, in native memory.
  T withBytes<T>(List<int> bytes, T Function(Pointer<Char>) use) {
    final memory = bindings.rwkv_bridge_alloc(bytes.length + 1);
    if (memory == nullptr) {
      throw NativeLibraryException(
        'out_of_memory',
        'There is no memory for a message of ${bytes.length} bytes.',
      );
    }
    try {
      memory.cast<Uint8>().asTypedList(bytes.length + 1)
        ..setAll(0, bytes)
        ..[bytes.length] = 0;
      return use(memory.cast());
    } finally {
      bindings.rwkv_bridge_free(memory);
    }
  }
}

/// The text of a C string. Bytes that are not UTF-8 are replaced.
String stringAt(Pointer<Char> text) {
  if (text == nullptr) return '';
  final bytes = text.cast<Uint8>();
  var length = 0;
  while (bytes[length] != 0) {
    ++length;
  }
  return utf8.decode(bytes.asTypedList(length), allowMalformed: true);
}

/// Names to try on this platform, null for the process itself, where the
/// library is linked in. Where there are two, the first is that of prebuilt
/// libraries and the second what the build of an app makes. Throws where there
/// is no library.
List<String?> platformLibraries(String system, Abi abi) => switch (system) {
  'android' => ['librwkv_mobile.so'],
  'ios' => [null],
  'macos' => ['librwkv_mobile.dylib', null],
  'windows' => switch (abi) {
    Abi.windowsX64 => ['rwkv_mobile.dll'],
    Abi.windowsArm64 => ['rwkv_mobile-arm64.dll', 'rwkv_mobile.dll'],
    _ => throw _noLibraryFor(abi),
  },
  'linux' => switch (abi) {
    Abi.linuxX64 => ['librwkv_mobile-linux-x86_64.so', 'librwkv_mobile.so'],
    Abi.linuxArm64 => ['librwkv_mobile-linux-aarch64.so', 'librwkv_mobile.so'],
    _ => throw _noLibraryFor(abi),
  },
  _ =>
    throw NativeLibraryException(
      'unsupported',
      'Unsupported platform: $system',
    ),
};

NativeLibraryException _noLibraryFor(Abi abi) => NativeLibraryException(
  'unsupported',
  'Unsupported ABI: $abi. Build the library for it and say where it is in the '
      'environment variable $_variable.',
);

const _variable = 'RWKV_MOBILE_LIBRARY';

NativeLibrary _openAndCheck(String? path) {
  final variable = Platform.environment[_variable] ?? '';
  if (path == null && variable.isNotEmpty) {
    return openFirst([
      variable,
    ], advice: 'Correct or unset the environment variable $_variable.');
  }
  return openFirst(
    path == null || path.isEmpty
        ? platformLibraries(Platform.operatingSystem, Abi.current())
        : [path],
  );
}

const _itself = 'the app itself';
const _abiVersion = 'rwkv_bridge_abi_version';

/// The first of [names] that can be opened, as [platformLibraries] gives them.
/// Throws a [NativeLibraryException] when there is none, or it is not ours.
NativeLibrary openFirst(
  List<String?> names, {
  String advice =
      'Ship it with the app, or say where it is in the environment variable '
      '$_variable.',
}) {
  final problems = <Object>[];
  for (final name in names) {
    final DynamicLibrary library;
    try {
      library =
          name == null ? DynamicLibrary.process() : DynamicLibrary.open(name);
    } on ArgumentError catch (e) {
      problems.add(e.message ?? e);
      // There, but not to be loaded: the loader's words do not say what to do.
      if (name != null && File(name).existsSync()) {
        problems.add(
          'the file is there, so it is cut off, made for another '
          'processor than ${Abi.current()}, or not to be read by this user',
        );
      }
      continue;
    }
    // Linked in or not, the process itself is always there.
    if (name == null && !library.providesSymbol(_abiVersion)) {
      problems.add('the framework rwkv_mobile is not linked with the app');
      continue;
    }
    return _check(NativeLibrary._(name ?? _itself, library));
  }
  throw NativeLibraryException(
    'not_found',
    'The native library ${names.map((n) => n ?? _itself).join(' or ')} cannot be opened: '
        '${problems.join('; ')}. $advice',
  );
}

NativeLibrary _check(NativeLibrary opened) {
  if (!opened.library.providesSymbol(_abiVersion)) {
    throw NativeLibraryException(
      'unsupported',
      '${opened.name} has no $_abiVersion: it is not the library of '
          'this package. These bindings need ABI $RWKV_BRIDGE_ABI_VERSION.',
    );
  }
  final abi = opened.bindings.rwkv_bridge_abi_version();
  if (abi != RWKV_BRIDGE_ABI_VERSION) {
    throw NativeLibraryException(
      'unsupported',
      '${opened.name} (version ${opened.version}) has ABI $abi, but these '
          'bindings need ABI $RWKV_BRIDGE_ABI_VERSION. Use the library that '
          'came with the package.',
    );
  }
  return opened;
}
