/// The C functions of the native library, by their C names
/// (`include/rwkv_bridge.h`), and constants that requests take.
// ignore_for_file: camel_case_types, constant_identifier_names
// ignore_for_file: non_constant_identifier_names
library;

import 'dart:ffi' as ffi;

/// `forceLang`: the model chooses its language.
const int FORCE_LANG_NONE = 0;

/// `forceLang`: the reply begins in Chinese.
const int FORCE_LANG_CHN = 1;

/// `forceLang`: the reply begins in English.
const int FORCE_LANG_EN = 2;

/// Everything is logged.
const int RWKV_LOG_LEVEL_DEBUG = 0;

/// Events, warnings and errors are logged.
const int RWKV_LOG_LEVEL_INFO = 1;

/// Warnings and errors are logged.
const int RWKV_LOG_LEVEL_WARN = 2;

/// Only errors are logged.
const int RWKV_LOG_LEVEL_ERROR = 3;

/// The ABI that these bindings are written for.
const int RWKV_BRIDGE_ABI_VERSION = 1;

/// A null pointer, or options of the wrong form.
const int RWKV_BRIDGE_BAD_ARGUMENT = -1;

/// There is no memory left.
const int RWKV_BRIDGE_NO_MEMORY = -2;

/// There is no such port, or it is closed.
const int RWKV_BRIDGE_CLOSED = -3;

/// A mistake inside the runtime.
const int RWKV_BRIDGE_INTERNAL = -4;

/// Not now: too much of what the port has sent waits to be served.
const int RWKV_BRIDGE_BUSY = -5;

/// The functions of a loaded library. Each is looked up when it is first used
/// and throws an [ArgumentError] when the library does not have it.
class rwkv_mobile {
  /// The functions of [dynamicLibrary].
  rwkv_mobile(ffi.DynamicLibrary dynamicLibrary) : _library = dynamicLibrary;

  final ffi.DynamicLibrary _library;

  /// The ABI of the library, to compare with [RWKV_BRIDGE_ABI_VERSION].
  late final int Function() rwkv_bridge_abi_version = _library
      .lookupFunction<ffi.Int32 Function(), int Function()>(
        'rwkv_bridge_abi_version',
      );

  /// The library's version as a static C string.
  late final ffi.Pointer<ffi.Char> Function() rwkv_bridge_version = _library
      .lookupFunction<
        ffi.Pointer<ffi.Char> Function(),
        ffi.Pointer<ffi.Char> Function()
      >('rwkv_bridge_version');

  /// Attaches a Dart port (runtime's name, options, native port,
  /// `NativeApi.postCObject`). A port above 0, or an error.
  late final int Function(
    ffi.Pointer<ffi.Char> name,
    ffi.Pointer<ffi.Char> options,
    int native_port,
    ffi.Pointer<ffi.Void> post_cobject,
  )
  rwkv_bridge_open_dart = _library.lookupFunction<
    ffi.Int64 Function(
      ffi.Pointer<ffi.Char>,
      ffi.Pointer<ffi.Char>,
      ffi.Int64,
      ffi.Pointer<ffi.Void>,
    ),
    int Function(
      ffi.Pointer<ffi.Char>,
      ffi.Pointer<ffi.Char>,
      int,
      ffi.Pointer<ffi.Void>,
    )
  >('rwkv_bridge_open_dart');

  /// Queues one request of `length` bytes. 0, or an error.
  late final int Function(int port, ffi.Pointer<ffi.Char> json, int length)
  rwkv_bridge_send = _library.lookupFunction<
    ffi.Int32 Function(ffi.Int64, ffi.Pointer<ffi.Char>, ffi.Size),
    int Function(int, ffi.Pointer<ffi.Char>, int)
  >('rwkv_bridge_send');

  /// Closes a port; with `wait` not 0 returns when its runtime has ended.
  late final int Function(int port, int wait) rwkv_bridge_close = _library
      .lookupFunction<
        ffi.Int32 Function(ffi.Int64, ffi.Int32),
        int Function(int, int)
      >('rwkv_bridge_close');

  /// Memory of so many bytes, or null.
  late final ffi.Pointer<ffi.Void> Function(int bytes) rwkv_bridge_alloc =
      _library.lookupFunction<
        ffi.Pointer<ffi.Void> Function(ffi.Size),
        ffi.Pointer<ffi.Void> Function(int)
      >('rwkv_bridge_alloc');

  /// Gives memory of [rwkv_bridge_alloc] back.
  late final void Function(ffi.Pointer<ffi.Void> memory) rwkv_bridge_free =
      _library.lookupFunction<
        ffi.Void Function(ffi.Pointer<ffi.Void>),
        void Function(ffi.Pointer<ffi.Void>)
      >('rwkv_bridge_free');

  /// How many of the bridge's objects are alive in this process.
  late final int Function() rwkv_bridge_live_objects = _library
      .lookupFunction<ffi.Int64 Function(), int Function()>(
        'rwkv_bridge_live_objects',
      );
}
