/* A program in C that knows convgrad only as it is installed. */
#include <convgrad/convgrad.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

static void expect(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "%s; last error: %s\n", what, convgrad_last_error());
  ++failures;
}

static convgrad_tensor tensor(void *data, int64_t a, int64_t b, int64_t c, int64_t d) {
  convgrad_tensor result;
  memset(&result, 0, sizeof result);
  result.data = data;
  result.shape[0] = a;
  result.shape[1] = b;
  result.shape[2] = c;
  result.shape[3] = d;
  return result;
}

static convgrad_tensor operand(const void *data, int64_t a, int64_t b, int64_t c, int64_t d) {
  convgrad_tensor result = tensor(NULL, a, b, c, d);
  result.const_data = data;
  return result;
}

int main(void) {
  static const float input[4] = {1, 2, 3, 4}, filter[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out_backprop[2] = {1, 2};
  float d_input[4], d_filter[8], planned[4];
  const float d_input_wanted[4] = {5, 11, 17, 23}, d_filter_wanted[8] = {1, 2, 2, 4, 3, 6, 4, 8};
  const convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
  const convgrad_tensor x = operand(input, 1, 2, 2, 1), w = operand(filter, 2, 2, 1, 2);
  const convgrad_tensor dy = operand(out_backprop, 1, 1, 1, 2), dx = tensor(d_input, 1, 2, 2, 1);
  const convgrad_tensor dw = tensor(d_filter, 2, 2, 1, 2), dx_planned = tensor(planned, 1, 2, 2, 1);
  const convgrad_tensor wrong = operand(out_backprop, 1, 1, 2, 1);
  convgrad_context_options options = convgrad_context_options_default();
  convgrad_context *context = NULL;
  convgrad_plan *plan = NULL;

  expect(convgrad_conv2d_backprop_input(NULL, &attrs, &w, &dy, &dx) == CONVGRAD_OK, "backprop_input");
  expect(memcmp(d_input, d_input_wanted, sizeof d_input) == 0, "backprop_input's numbers");
  expect(convgrad_conv2d_backprop_filter(NULL, &attrs, &x, &dy, &dw) == CONVGRAD_OK, "backprop_filter");
  expect(memcmp(d_filter, d_filter_wanted, sizeof d_filter) == 0, "backprop_filter's numbers");
  expect(convgrad_conv2d_backprop_input(NULL, &attrs, &w, &wrong, &dx) == CONVGRAD_INVALID_ARGUMENT, "a wrong shape");
  expect(strstr(convgrad_last_error(), "[1,1,1,2]") != NULL, "the text says what was expected");

  options.num_threads = 2;
  expect(convgrad_context_create(&options, &context) == CONVGRAD_OK, "a context");
  expect(convgrad_plan_create(context, CONVGRAD_OP_CONV2D_BACKPROP_INPUT, &attrs, &w, &dy, &dx_planned, &plan) ==
             CONVGRAD_OK,
         "a plan");
  expect(convgrad_plan_run(plan, filter, out_backprop, planned, NULL) == CONVGRAD_OK, "a run of the plan");
  expect(memcmp(planned, d_input_wanted, sizeof planned) == 0, "the plan's numbers");
  printf("convgrad %s, C, kernel %s: %d failures\n", convgrad_version(), convgrad_plan_kernel(plan), failures);
  convgrad_plan_destroy(plan);
  convgrad_context_destroy(context);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
