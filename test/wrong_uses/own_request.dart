// Must not compile: requests are sealed.
import '../../lib/to_rwkv.dart';

class MyRequest extends ToRWKV {}

void main() {}
