// Must not compile: an app names its root isolate's token, as the apps that exist do.
import 'dart:isolate';

import '../../lib/rwkv.dart';

final options = StartOptions(sendPort: ReceivePort().sendPort);
void main() {}
