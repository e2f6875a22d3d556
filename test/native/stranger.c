// A library that has nothing to do with us.
int stranger(void) { return 1; }
