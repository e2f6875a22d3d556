// Must not compile: the prompt is positional.
import '../../lib/to_rwkv.dart';

final request = SetPrompt(prompt: '<EOD>', modelID: 0);
void main() {}
