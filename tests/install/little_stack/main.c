/* The first calls that a program makes take no more stack than the header says, with all that they start: the default
 * context, its threads, and the dynamic linker, which looks functions up when they are first called. (tests/memory has
 * every kernel's calls.) The thread's stack is painted, and what has another colour afterwards was used. */
#define _GNU_SOURCE
#include <convgrad/convgrad.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { kMost = 16 * 1024, kStackWords = 32 * 1024, kImage = 4 * 28 * 28 * 64, kFilter = 3 * 3 * 64 * 64 };

static float x[kImage], dy[kImage], w[kFilter], result[kImage];

typedef struct {
  convgrad_status (*call)(void);
  convgrad_status status;
  uintptr_t frame;
} Call;

static convgrad_tensor image(float *data) {
  convgrad_tensor tensor = {.data = data, .shape = {4, 28, 28, 64}};
  return tensor;
}

static convgrad_tensor filter(float *data) {
  convgrad_tensor tensor = {.data = data, .shape = {3, 3, 64, 64}};
  return tensor;
}

static convgrad_conv2d_attrs same(void) {
  convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
  attrs.padding = CONVGRAD_SAME;
  return attrs;
}

static convgrad_status backprop_input(void) {
  const convgrad_conv2d_attrs attrs = same();
  const convgrad_tensor a = filter(w), b = image(dy), c = image(result);
  return convgrad_conv2d_backprop_input(NULL, &attrs, &a, &b, &c);
}

static convgrad_status backprop_filter(void) {
  const convgrad_conv2d_attrs attrs = same();
  const convgrad_tensor a = image(x), b = image(dy), c = filter(result);
  return convgrad_conv2d_backprop_filter(NULL, &attrs, &a, &b, &c);
}

static convgrad_status conv2d(void) {
  const convgrad_conv2d_attrs attrs = same();
  const convgrad_tensor a = image(x), b = filter(w), c = image(result);
  return convgrad_conv2d(NULL, &attrs, &a, &b, &c);
}

static convgrad_status refused(void) {
  const convgrad_conv2d_attrs attrs = same();
  const convgrad_tensor a = image(x), b = image(w), c = image(result);
  return convgrad_conv2d(NULL, &attrs, &a, &b, &c) == CONVGRAD_INVALID_ARGUMENT ? CONVGRAD_OK : CONVGRAD_INTERNAL;
}

static void *run(void *arg) {
  Call *call = arg;
  call->frame = (uintptr_t)__builtin_frame_address(0);
  call->status = call->call();
  return NULL;
}

/* Not one byte repeated, for which compilers would call a function of the C library. */
static uint64_t colour(size_t i) { return 0x9e3779b97f4a7c15u * (i + 1); }

static int measure(const char *name, convgrad_status (*function)(void)) {
  const size_t bytes = kStackWords * sizeof(uint64_t);
  uint64_t *stack = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  Call call = {function, CONVGRAD_INTERNAL, 0};
  pthread_attr_t attributes;
  pthread_t thread;
  size_t lowest = 0, used;
  if (stack == MAP_FAILED) return 1;
  for (size_t i = 0; i < kStackWords; ++i) stack[i] = colour(i);
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, stack, bytes);
  if (pthread_create(&thread, &attributes, run, &call) != 0) return 1;
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attributes);
  while (stack[lowest] == colour(lowest)) ++lowest;
  used = call.frame - (uintptr_t)&stack[lowest];
  munmap(stack, bytes);
  printf("%s: %s, %zu bytes of stack\n", name, convgrad_status_string(call.status), used);
  return call.status != CONVGRAD_OK || used > kMost;
}

int main(void) {
  int failures = 0;
  failures += measure("backprop_input", backprop_input);
  failures += measure("backprop_filter", backprop_filter);
  failures += measure("conv2d", conv2d);
  failures += measure("a refused call", refused);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
