/// What an app needs to talk to the runtime: requests, types, the bindings'
/// constants and [RWKVMobile]. Responses are in `from_rwkv.dart`, whose `Error`
/// would hide the language's.
library;

export 'rwkv_mobile_ffi.dart';
export 'rwkv_mobile_flutter.dart' show RWKVMobile;
export 'to_rwkv.dart';
export 'types.dart';
