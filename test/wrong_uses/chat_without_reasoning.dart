// Must not compile: enableReasoning is required.
import '../../lib/to_rwkv.dart';

final request = ChatAsync(['Hi'], forceReasoning: false, addGenerationPrompt: true, modelID: 0);
void main() {}
