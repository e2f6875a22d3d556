// A library with the handshake alone, and what the real one does not know on the test's machine.
#include <stdint.h>
#include <string.h>

int32_t rwkv_bridge_abi_version(void) { return ABI; }
const char* rwkv_bridge_version(void) { return "12.34.56"; }
void* rwkv_bridge_alloc(size_t bytes) {
  static char memory[1 << 16];
  return bytes <= sizeof memory ? memory : 0;
}
void rwkv_bridge_free(void* memory) { (void)memory; }

const char* rwkvmobile_get_platform_name(void) { return "Snapdragon"; }
const char* rwkvmobile_get_soc_name(void) { return "8 Gen 3"; }
int rwkvmobile_runtime_get_available_backend_names(char* names, int size) {
  const char* known = "ncnn,llama.cpp,";
  if ((int)strlen(known) >= size) return 8;
  strcpy(names, known);
  return 0;
}
