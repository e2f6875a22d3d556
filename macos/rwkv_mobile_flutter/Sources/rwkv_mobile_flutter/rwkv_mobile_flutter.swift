// Nothing: Dart calls the framework's C functions by their names. A target needs a source file to be linked with it.
