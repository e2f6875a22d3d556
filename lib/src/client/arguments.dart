// What callers give, checked where its name is known.
import 'exception.dart';

/// Throws when [value] is not a 32-bit number from [least] on.
void checkInteger(String name, int? value, {required int least}) {
  const most = 0x7fffffff;
  if (value == null || value >= least && value <= most) return;
  throw RwkvException(
    'invalid_argument',
    '$name is $value; it is a number from $least to $most',
  );
}

/// Throws when [value] is no number or endless.
void checkFinite(String name, num? value) {
  if (value == null || value.isFinite) return;
  throw RwkvException(
    'invalid_argument',
    '$name is $value; it has to be a finite number',
  );
}

/// Throws when [value] is negative.
void checkBytes(String name, int? value) {
  if (value == null || value >= 0) return;
  throw RwkvException(
    'invalid_argument',
    '$name is $value; a number of bytes cannot be negative',
  );
}
