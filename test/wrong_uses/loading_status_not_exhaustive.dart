// Must not compile: a step is missing.
import '../../lib/types.dart';

int number(LoadingStatus status) => switch (status) {
  LoadingStatus.none => 0,
  LoadingStatus.loading => 1,
};
void main() {}
