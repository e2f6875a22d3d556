// Must not compile: a request says which model it is for.
import '../../lib/to_rwkv.dart';

final request = GenerateAsync('Hi');
void main() {}
