// Must not compile: fields are final.
import '../../lib/to_rwkv.dart';

void main() {
  Stop(modelID: 0).modelID = 1;
}
