// Must not compile: a step says whose it is.
import '../../lib/from_rwkv.dart';
import '../../lib/types.dart';

final step = LoadModelSteps(status: LoadingStatus.loaded);
void main() {}
