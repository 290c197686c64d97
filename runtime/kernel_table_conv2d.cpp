#define CONVGRAD_TABLE conv2d_table
#define CONVGRAD_TABLE_OP CONVGRAD_OP_CONV2D
#define CONVGRAD_KERNELS_INC "kernels_conv2d.inc"
#define CONVGRAD_SCRATCH_INC "scratch_conv2d.inc"
#define CONVGRAD_ROWS_INC "rows_conv2d.inc"
#include "kernel_table_of_op.inc"
