/* How programs set the structs, as C and as C++: compiled with more warnings than any of them asks for. */
#include <convgrad/convgrad.h>

static float values[4];
static const float weights[4] = {1, 2, 3, 4};

/* Operands may be const. */
void set_operand(convgrad_tensor *tensor);
void set_operand(convgrad_tensor *tensor) {
  tensor->const_data = weights;
  tensor->shape[0] = tensor->shape[1] = tensor->shape[2] = 1;
  tensor->shape[3] = 4;
}

void set_result(convgrad_tensor *tensor);
void set_result(convgrad_tensor *tensor) { tensor->data = values; }

/* By position, in the order of the fields. */
extern const convgrad_tensor by_position, zeros, by_name, const_by_name;
const convgrad_tensor by_position = {{values}, CONVGRAD_FLOAT32, CONVGRAD_HOST, {1, 2, 2, 1}, {0, 0, 0, 0}, 0};
#ifdef __cplusplus
const convgrad_tensor zeros = {};
#else
const convgrad_tensor zeros = {0};
#endif
#if !defined __cplusplus || __cplusplus >= 202002L
const convgrad_tensor by_name = {.data = values, .shape = {1, 2, 2, 1}};
const convgrad_tensor const_by_name = {.const_data = weights, .shape = {1, 2, 2, 1}};
#endif

/* As written when `data` was a field of its own: brace elision, of which -Wmissing-braces would speak. */
extern const convgrad_tensor without_braces;
const convgrad_tensor without_braces = {values, CONVGRAD_FLOAT32, CONVGRAD_HOST, {1, 2, 2, 1}, {0, 0, 0, 0}, 0};

convgrad_context_options with_threads(int32_t num_threads);
convgrad_context_options with_threads(int32_t num_threads) {
  convgrad_context_options options = convgrad_context_options_default();
  options.num_threads = num_threads;
  return options;
}

convgrad_conv2d_attrs same(void);
convgrad_conv2d_attrs same(void) {
  convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
  attrs.padding = CONVGRAD_SAME;
  return attrs;
}
