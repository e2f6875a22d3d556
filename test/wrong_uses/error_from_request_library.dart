// Must not compile: the request library does not bring the responses along, whose Error would hide the language's.
import '../../lib/to_rwkv.dart';

final speed = Speed(prefillProgress: 0, prefillSpeed: 0, decodeSpeed: 0);
void main() {}
