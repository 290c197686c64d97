/* Code that a host program loads and unloads, and that computes with the default context. */
#include <convgrad/convgrad.h>

#define EXPORT __attribute__((visibility("default")))

enum { SIZE = 24, CHANNELS = 32 };

static convgrad_tensor tensor(void *data, int64_t a, int64_t b, int64_t c, int64_t d) {
  convgrad_tensor result = {0};
  result.data = data;
  result.shape[0] = a;
  result.shape[1] = b;
  result.shape[2] = c;
  result.shape[3] = d;
  return result;
}

static float filter[3 * 3 * CHANNELS * CHANNELS], out_backprop[4 * SIZE * SIZE * CHANNELS];

__attribute__((constructor)) static void fill_with_ones(void) {
  for (size_t i = 0; i < sizeof filter / sizeof *filter; ++i) filter[i] = 1;
  for (size_t i = 0; i < sizeof out_backprop / sizeof *out_backprop; ++i) out_backprop[i] = 1;
}

/* 1 where the gradient of ones by ones is right: in the corner four taps meet the image, in its middle nine. */
EXPORT int plugin_computes(void) {
  float in_backprop[4 * SIZE * SIZE * CHANNELS];
  convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
  attrs.padding = CONVGRAD_SAME;
  const convgrad_tensor w = tensor(filter, 3, 3, CHANNELS, CHANNELS);
  const convgrad_tensor dy = tensor(out_backprop, 4, SIZE, SIZE, CHANNELS);
  const convgrad_tensor dx = tensor(in_backprop, 4, SIZE, SIZE, CHANNELS);
  if (convgrad_conv2d_backprop_input(NULL, &attrs, &w, &dy, &dx) != CONVGRAD_OK) return 0;
  return in_backprop[0] == 4 * CHANNELS && in_backprop[(SIZE + 1) * CHANNELS] == 9 * CHANNELS;
}

/* Makes a context of three threads and forgets it. */
EXPORT int plugin_leaks_a_context(void) {
  convgrad_context_options options = convgrad_context_options_default();
  options.num_threads = 3;
  convgrad_context *context = NULL;
  return convgrad_context_create(&options, &context) == CONVGRAD_OK;
}

EXPORT void plugin_finish(void) { convgrad_default_context_destroy(); }
