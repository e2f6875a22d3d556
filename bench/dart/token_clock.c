// Knows when a scripted model's tokens come about, without a word of it in the library: a token is what follows the
// sleeps of its time, and this library, loaded before all others, sees them. Also clocks that Dart does not have.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

enum { kMost = 1 << 16 };

static struct {
  int64_t asked;  // nanoseconds
  int64_t ended;  // on the monotonic clock
} sleeps[kMost];
static atomic_int count;

static int64_t read_clock(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t token_clock_now(void) { return read_clock(CLOCK_MONOTONIC); }
int64_t token_clock_process_cpu(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }
void token_clock_clear(void) { atomic_store(&count, 0); }
int32_t token_clock_count(void) { return atomic_load(&count); }
int64_t token_clock_asked(int32_t i) { return sleeps[i].asked; }
int64_t token_clock_ended(int32_t i) { return sleeps[i].ended; }

int nanosleep(const struct timespec* asked, struct timespec* rest) {
  static int (*real)(const struct timespec*, struct timespec*);
  if (!real) *(void**)&real = dlsym(RTLD_NEXT, "nanosleep");
  const int result = real(asked, rest);
  const int at = atomic_load(&count);
  if (at < kMost) {
    sleeps[at].asked = (int64_t)asked->tv_sec * 1000000000 + asked->tv_nsec;
    sleeps[at].ended = token_clock_now();
    atomic_store(&count, at + 1);
  }
  return result;
}
