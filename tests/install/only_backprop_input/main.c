/* Names one operation, so that a linker can leave out the kernels of the others. */
#include <convgrad/convgrad.h>

int main(void) {
  float filter[1] = {3}, out_backprop[1] = {5}, d_input[1] = {0};
  const convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
  const convgrad_tensor w = {.data = filter, .shape = {1, 1, 1, 1}};
  const convgrad_tensor dy = {.data = out_backprop, .shape = {1, 1, 1, 1}};
  const convgrad_tensor dx = {.data = d_input, .shape = {1, 1, 1, 1}};
  return convgrad_conv2d_backprop_input(0, &attrs, &w, &dy, &dx) == CONVGRAD_OK && d_input[0] == 15 ? 0 : 1;
}
