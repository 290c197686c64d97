/* The same problem by changing a context's target: equal bit for bit on integer-valued data. A target that the build or
 * the machine has not is refused with a reason, and the rest goes on. */
#include <convgrad/convgrad.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kBatch = 2, kSize = 9, kIn = 5, kOut = 7, kTaps = 3 };
enum {
  kImage = kBatch * kSize * kSize * kIn,
  kOutput = kBatch * kSize * kSize * kOut,
  kFilter = kTaps * kTaps * kIn * kOut
};

static float input[kImage], filter[kFilter], gradient[kOutput];

typedef struct {
  float output[kOutput], d_input[kImage], d_filter[kFilter];
} Results;

static convgrad_tensor tensor(float *data, int64_t a, int64_t b, int64_t c, int64_t d) {
  convgrad_tensor result;
  memset(&result, 0, sizeof result);
  result.data = data;
  result.shape[0] = a;
  result.shape[1] = b;
  result.shape[2] = c;
  result.shape[3] = d;
  return result;
}

static void fill(float *values, int count, int seed) {
  for (int i = 0; i < count; ++i) values[i] = (float)((i * 7 + seed) % 9 - 4);
}

static int compute(const convgrad_context *context, Results *results) {
  convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
  attrs.padding = CONVGRAD_SAME;
  const convgrad_tensor x = tensor(input, kBatch, kSize, kSize, kIn), w = tensor(filter, kTaps, kTaps, kIn, kOut);
  const convgrad_tensor dy = tensor(gradient, kBatch, kSize, kSize, kOut);
  const convgrad_tensor y = tensor(results->output, kBatch, kSize, kSize, kOut);
  const convgrad_tensor dx = tensor(results->d_input, kBatch, kSize, kSize, kIn);
  const convgrad_tensor dw = tensor(results->d_filter, kTaps, kTaps, kIn, kOut);
  return convgrad_conv2d(context, &attrs, &x, &w, &y) == CONVGRAD_OK &&
         convgrad_conv2d_backprop_input(context, &attrs, &w, &dy, &dx) == CONVGRAD_OK &&
         convgrad_conv2d_backprop_filter(context, &attrs, &x, &dy, &dw) == CONVGRAD_OK;
}

int main(void) {
  static Results first, results;
  const char *const targets[] = {NULL, "x86_64_avx2", "opencl", "cuda", "cuda_sm80"};
  int failures = 0;
  fill(input, kImage, 1);
  fill(filter, kFilter, 2);
  fill(gradient, kOutput, 3);
  if (!compute(NULL, &first)) {
    fprintf(stderr, "%s\n", convgrad_last_error());
    return EXIT_FAILURE;
  }
  for (size_t i = 0; i < sizeof targets / sizeof targets[0]; ++i) {
    convgrad_context_options options = convgrad_context_options_default();
    convgrad_context *context = NULL;
    const char *name = targets[i] == NULL ? "NULL" : targets[i];
    options.target = targets[i];
    const convgrad_status status = convgrad_context_create(&options, &context);
    if (status != CONVGRAD_OK) {
      printf("%-12s %s: %s\n", name, convgrad_status_string(status), convgrad_last_error());
      const int has_reason = strstr(convgrad_last_error(), name) != NULL;
      if (targets[i] == NULL || (status != CONVGRAD_UNSUPPORTED && status != CONVGRAD_INVALID_ARGUMENT) || !has_reason)
        ++failures;
      continue;
    }
    memset(&results, 0xff, sizeof results);
    const int computed = compute(context, &results);
    const int same = computed && memcmp(&first, &results, sizeof first) == 0;
    printf("%-12s %s\n", name, same ? "the same bits" : computed ? "OTHER RESULTS" : convgrad_last_error());
    if (!same) ++failures;
    convgrad_context_destroy(context);
  }
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
