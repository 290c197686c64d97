/* Prints the size of each public struct and the offset and size of each of its fields, for struct_layout.txt. */
#include <convgrad/convgrad.h>
#include <stdio.h>

#define STRUCT(type) printf("%s %zu\n", #type, sizeof(type))
#define FIELD(type, field) printf("  %s %zu %zu\n", #field, offsetof(type, field), sizeof(((type *)0)->field))

int main(void) {
  STRUCT(convgrad_conv2d_attrs);
  FIELD(convgrad_conv2d_attrs, struct_size);
  FIELD(convgrad_conv2d_attrs, strides);
  FIELD(convgrad_conv2d_attrs, dilations);
  FIELD(convgrad_conv2d_attrs, explicit_paddings);
  FIELD(convgrad_conv2d_attrs, padding);
  FIELD(convgrad_conv2d_attrs, data_format);
  FIELD(convgrad_conv2d_attrs, accumulate);
  FIELD(convgrad_conv2d_attrs, reserved);
  STRUCT(convgrad_tensor);
  FIELD(convgrad_tensor, data);
  FIELD(convgrad_tensor, dtype);
  FIELD(convgrad_tensor, memory);
  FIELD(convgrad_tensor, shape);
  FIELD(convgrad_tensor, strides);
  FIELD(convgrad_tensor, byte_offset);
  STRUCT(convgrad_context_options);
  FIELD(convgrad_context_options, struct_size);
  FIELD(convgrad_context_options, num_threads);
  FIELD(convgrad_context_options, strict);
  FIELD(convgrad_context_options, target);
  FIELD(convgrad_context_options, kernel);
  FIELD(convgrad_context_options, parallel_for);
  FIELD(convgrad_context_options, pool);
  FIELD(convgrad_context_options, allocate);
  FIELD(convgrad_context_options, release);
  FIELD(convgrad_context_options, memory);
  FIELD(convgrad_context_options, device);
  FIELD(convgrad_context_options, queue);
  STRUCT(convgrad_kernel_info);
  FIELD(convgrad_kernel_info, name);
  FIELD(convgrad_kernel_info, target);
  FIELD(convgrad_kernel_info, algorithm);
  FIELD(convgrad_kernel_info, op);
  FIELD(convgrad_kernel_info, dtype);
  FIELD(convgrad_kernel_info, usable_here);
  FIELD(convgrad_kernel_info, reserved);
  return 0;
}
