// Must not compile: the end of a generation is missing.
import '../../lib/rwkv_client.dart';

String text(RwkvEvent event) => switch (event) {
  RwkvProgress() => '',
  RwkvText(:final text) => text,
};
void main() {}
