/* convgrad: the gradients of a 2-D convolution, from kernels compiled ahead of time.
 *
 * Shapes and names are TensorFlow's: images are [n, h, w, c] (NHWC) or [n, c, h, w] (NCHW), filters are
 * [r, s, c / groups, k] (HWIO). With stride S, dilation D and pads (top, bottom, left, right):
 *
 *   conv2d                 y [n,p,q,k] = sum over r,s,c  x[n, p*Sh + r*Dh - top, q*Sw + s*Dw - left, c] * w[r,s,c,k]
 *   conv2d_backprop_input  dx = the gradient of sum(y * dy) by x;  conv2d_backprop_filter  dw = by w
 *
 * Reads outside a tensor count as zero. The effective extent of a filter is (R - 1) * D + 1.
 * VALID and EXPLICIT: P = (H + top + bottom - extent + S) / S, truncated; below 0 is an error, 0 an empty output.
 * SAME: P = ceil(H / S), the padding being max((P - 1) * S + extent - H, 0), its smaller half before.
 * The filter's and the input's channels are at least 1; every other size may be 0. The channels of a filter divide
 * the input's: groups = C / Cf, and groups divide K.
 *
 * Threads: every function may be called from any thread. A context and a plan may be used by many threads at once;
 * they are destroyed when no call is in flight. A thread that is cancelled (pthread_cancel) in a call finishes it
 * first. After fork the child makes new contexts, and NULL stands for a default context of its own; contexts and plans
 * that it inherits compute without their threads there, and may be destroyed. Results are the same bits from run to run
 * and for any number of threads: the caller's floating-point mode (rounding, what becomes of subnormal numbers) is that
 * of every thread for its call. No call raises or traps a floating-point exception. Where no GPU is asked, no function
 * takes more than 16 KB of its thread's stack, nor does a task of parallel_for. Nothing here throws, aborts, exits or
 * prints (but for CONVGRAD_VERBOSE=1, to stderr).
 *
 * GPUs: a context whose target is a GPU's ("cuda", "opencl", or one by its full name) computes there; no context does
 * unasked. Drivers are loaded when such a context is made; where there is none the rest of the library works. Tensors
 * may be in the host's memory (operands are copied to the device and the result back, without what lies between their
 * elements) or in the device's (CONVGRAD_CUDA, CONVGRAD_OPENCL: used in place, in the order of the context's queue).
 * The device, the queue and every context on them are for the process that made them: a child made by fork is refused
 * (CONVGRAD_UNSUPPORTED) and destroys without touching the driver. What went wrong on the device has the driver's text.
 * A context keeps device memory for later calls, at most what its largest calls at once needed, until it and its plans
 * are destroyed.
 *
 * Environment, read once a context, when it is made (the default context: at its first use):
 *   CONVGRAD_TARGET       the target to use, where the options name none
 *   CONVGRAD_NUM_THREADS  how many threads, where the options say 0
 *   CONVGRAD_STRICT=1     direct kernels only
 *   CONVGRAD_VERBOSE=1    a line to stderr for each row considered: why it was refused, or that it runs
 *
 * C11 and C++17; needs no other header of this project. */
#ifndef CONVGRAD_CONVGRAD_H
#define CONVGRAD_CONVGRAD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CONVGRAD_VERSION_MAJOR 0
#define CONVGRAD_VERSION_MINOR 1
#define CONVGRAD_VERSION_PATCH 0

/* Enumerations are int32_t with named values, so that any value may arrive and be refused. Values are never
 * renumbered; new ones go last. */
typedef int32_t convgrad_status;
enum {
  CONVGRAD_OK = 0,
  CONVGRAD_INVALID_ARGUMENT, /* the call is wrong; convgrad_last_error() names the argument */
  CONVGRAD_UNSUPPORTED,      /* the call is right, but no kernel, target or device here can do it */
  CONVGRAD_OUT_OF_MEMORY,
  CONVGRAD_DEVICE_ERROR,
  CONVGRAD_INTERNAL /* a defect of this library */
};

typedef int32_t convgrad_dtype;
enum { CONVGRAD_FLOAT32 = 0, CONVGRAD_FLOAT64, CONVGRAD_FLOAT16, CONVGRAD_BFLOAT16 };

typedef int32_t convgrad_data_format;
enum { CONVGRAD_NHWC = 0, CONVGRAD_NCHW };

typedef int32_t convgrad_padding;
enum { CONVGRAD_VALID = 0, CONVGRAD_SAME, CONVGRAD_EXPLICIT };

typedef int32_t convgrad_op;
enum { CONVGRAD_OP_CONV2D = 0, CONVGRAD_OP_CONV2D_BACKPROP_INPUT, CONVGRAD_OP_CONV2D_BACKPROP_FILTER };

typedef int32_t convgrad_memory;
enum { CONVGRAD_HOST = 0, CONVGRAD_CUDA, CONVGRAD_OPENCL };

typedef struct convgrad_context convgrad_context;
typedef struct convgrad_plan convgrad_plan;

/* How the forward convolution moves over its input. Start from convgrad_conv2d_attrs_default(). */
typedef struct {
  /* sizeof as the caller compiled it; a shorter one means that the later fields have their defaults */
  size_t struct_size;
  int64_t strides[2];           /* height, width; >= 1 */
  int64_t dilations[2];         /* height, width; >= 1 */
  int64_t explicit_paddings[4]; /* top, bottom, left, right; >= 0; all 0 unless padding is CONVGRAD_EXPLICIT */
  convgrad_padding padding;
  convgrad_data_format data_format; /* of input and out_backprop; filters are always HWIO */
  int32_t accumulate; /* 0: the result is overwritten; 1: added to (UNSUPPORTED where no kernel has it yet) */
  int32_t reserved;   /* 0 */
} convgrad_conv2d_attrs;

/* A tensor of the caller. Zero-initialise, then set. Borrowed for the call, never kept; operands are never written. */
typedef struct {
  /* host pointer, CUdeviceptr or cl_mem; may be NULL when there are no elements; element-aligned is enough, a multiple
   * of 64 bytes is faster with AVX-512. One pointer by two names, the second for operands that are const. */
  union {
    void *data;
    const void *const_data;
  };
  convgrad_dtype dtype;
  convgrad_memory memory;
  int64_t shape[4];    /* NHWC or NCHW for images, HWIO for filters */
  int64_t strides[4];  /* in elements, in shape's order, at least 1 wherever a size is above 1; all 0: dense, row-major.
                          Of a result's elements no two overlap */
  int64_t byte_offset; /* added to data: how a part of a cl_mem is named */
} convgrad_tensor;

/* Stride 1, dilation 1, VALID, NHWC, overwrite. */
static inline convgrad_conv2d_attrs convgrad_conv2d_attrs_default(void) {
  convgrad_conv2d_attrs attrs;
  attrs.struct_size = sizeof attrs;
  attrs.strides[0] = attrs.strides[1] = 1;
  attrs.dilations[0] = attrs.dilations[1] = 1;
  attrs.explicit_paddings[0] = attrs.explicit_paddings[1] = 0;
  attrs.explicit_paddings[2] = attrs.explicit_paddings[3] = 0;
  attrs.padding = CONVGRAD_VALID;
  attrs.data_format = CONVGRAD_NHWC;
  attrs.accumulate = 0;
  attrs.reserved = 0;
  return attrs;
}

/* The shape of conv2d's output, in the data format of attrs; output_shape is written only on success. */
convgrad_status convgrad_conv2d_output_shape(const convgrad_conv2d_attrs *attrs, const int64_t input_shape[4],
                                             const int64_t filter_shape[4], int64_t output_shape[4]);

/* The operations. ctx may be NULL: a process-wide default. Every result has its full shape given; it may overlap no
 * operand. On failure nothing has been written, except after CONVGRAD_DEVICE_ERROR and CONVGRAD_INTERNAL. Tensors in
 * another memory than the host's and the context's device's: CONVGRAD_UNSUPPORTED. */

/* in_backprop [n,h,w,c] from filter [r,s,c/groups,k] and out_backprop [n,p,q,k]. in_backprop->shape is TensorFlow's
 * input_sizes; rows and columns that no window reached get exactly 0. */
convgrad_status convgrad_conv2d_backprop_input(const convgrad_context *ctx, const convgrad_conv2d_attrs *attrs,
                                               const convgrad_tensor *filter, const convgrad_tensor *out_backprop,
                                               const convgrad_tensor *in_backprop);

/* filter_backprop [r,s,c/groups,k] from input [n,h,w,c] and out_backprop [n,p,q,k]. filter_backprop->shape is
 * TensorFlow's filter_sizes. */
convgrad_status convgrad_conv2d_backprop_filter(const convgrad_context *ctx, const convgrad_conv2d_attrs *attrs,
                                                const convgrad_tensor *input, const convgrad_tensor *out_backprop,
                                                const convgrad_tensor *filter_backprop);

/* output [n,p,q,k] from input [n,h,w,c] and filter [r,s,c/groups,k]. */
convgrad_status convgrad_conv2d(const convgrad_context *ctx, const convgrad_conv2d_attrs *attrs,
                                const convgrad_tensor *input, const convgrad_tensor *filter,
                                const convgrad_tensor *output);

/* conv2d_backprop_input by other names: input = out_backprop [n,p,q,k]; filter [r,s, out channels / groups, k];
 * output->shape is given, as input_sizes is; attrs describe the forward conv2d that this transposes. */
convgrad_status convgrad_conv2d_transpose(const convgrad_context *ctx, const convgrad_conv2d_attrs *attrs,
                                          const convgrad_tensor *input, const convgrad_tensor *filter,
                                          const convgrad_tensor *output);

const char *convgrad_status_string(convgrad_status status); /* "OK", "INVALID_ARGUMENT", ...; never NULL */

/* This thread's latest failure: op, argument, its value, what was expected; never NULL, "" if none; unchanged by
 * success; valid until this thread's next failing call. */
const char *convgrad_last_error(void);

const char *convgrad_version(void); /* "0.1.0" */

/* A context holds choices, not state: how many threads, whose threads, whose memory, which kernels, which device.
 * Start from convgrad_context_options_default(). */
typedef struct {
  size_t struct_size;
  int32_t num_threads; /* 0: CONVGRAD_NUM_THREADS, else the CPUs this process may use: those of all its threads,
                          whatever the calling one is pinned to; the library's own threads may run on any of them */
  int32_t strict;      /* 1: direct kernels only (no Winograd); also CONVGRAD_STRICT=1 */
  const char *target;  /* NULL: CONVGRAD_TARGET, else the best CPU target here (never a GPU); a target's name, e.g.
                          "x86_64_avx2", or "cuda" or "opencl" for the best of its kind: on the first device that can
                          run it, for OpenCL a GPU before others */
  const char *kernel;  /* NULL, or one kernel's name to force; a problem that it cannot compute: CONVGRAD_UNSUPPORTED */
  /* Calls task(arg, i) once for each i in [0, count), in any order, on any threads, and returns when all are done.
   * count <= num_threads; tasks never wait for one another; never called from inside a task; may be called from several
   * threads at once. NULL: the library's own threads. */
  void (*parallel_for)(void *pool, void (*task)(void *arg, int64_t index), void *arg, int64_t count);
  void *pool;
  void *(*allocate)(void *memory, size_t bytes, size_t alignment); /* contexts, plans, scratch; NULL: the C library's */
  void (*release)(void *memory, void *pointer);
  void *memory;
  /* For a GPU target, else NULL. A CUcontext must outlive the context and its plans; a cl_context is retained. */
  void *device; /* CUcontext or cl_context; NULL: the queue's, or our own (CUDA: the device's primary context) */
  /* CUstream or cl_command_queue (one that keeps its commands' order). With every tensor on the device a call returns
   * once enqueued and later errors surface at the next call; with a host tensor it returns when the result is there.
   * NULL: our own (CUDA: one that the default stream does not wait for), on which nobody else can wait: each call
   * returns when its result is there, and what it reads must be there when it is called. */
  void *queue;
} convgrad_context_options;

/* C++ has a word of its own for it, and compilers a warning for those who use another. */
#ifdef __cplusplus
#define CONVGRAD_NULL nullptr
#else
#define CONVGRAD_NULL NULL
#endif

/* Every choice left to the library. */
static inline convgrad_context_options convgrad_context_options_default(void) {
  convgrad_context_options options;
  options.struct_size = sizeof options;
  options.num_threads = 0;
  options.strict = 0;
  options.target = CONVGRAD_NULL;
  options.kernel = CONVGRAD_NULL;
  options.parallel_for = CONVGRAD_NULL;
  options.pool = CONVGRAD_NULL;
  options.allocate = CONVGRAD_NULL;
  options.release = CONVGRAD_NULL;
  options.memory = CONVGRAD_NULL;
  options.device = CONVGRAD_NULL;
  options.queue = CONVGRAD_NULL;
  return options;
}

#undef CONVGRAD_NULL

/* options may be NULL: the defaults. *context is NULL on failure. A target that is not in this build:
 * INVALID_ARGUMENT; one that is in it but unusable here (ISA, driver, device): UNSUPPORTED, with the reason. */
convgrad_status convgrad_context_create(const convgrad_context_options *options, convgrad_context **context);
void convgrad_context_destroy(convgrad_context *context);

/* A plan is one problem bound to one kernel: made once, run many times. Operands in the order of the op's function,
 * data ignored; *plan is NULL on failure; the context may be destroyed first. conv2d_transpose is planned as
 * backprop_input (filter, input, output). */
convgrad_status convgrad_plan_create(const convgrad_context *ctx, convgrad_op op, const convgrad_conv2d_attrs *attrs,
                                     const convgrad_tensor *first, const convgrad_tensor *second,
                                     const convgrad_tensor *result, convgrad_plan **plan);

const char *convgrad_plan_kernel(const convgrad_plan *plan); /* the kernel's name; "" for a NULL plan */

#define CONVGRAD_WORKSPACE_ALIGNMENT 64

/* Bytes, a multiple of the alignment, all padding counted, known without running; depends on the context's
 * num_threads; 0 is a good answer, and the one on GPUs, whose contexts have memory of their own. */
size_t convgrad_plan_workspace_size(const convgrad_plan *plan);

/* Data pointers only (byte offsets and memory kinds as planned). workspace NULL: allocated for the call. Given
 * (aligned, of that size, not shared by calls in flight, contents need not survive): on a CPU target nothing is
 * allocated. */
convgrad_status convgrad_plan_run(const convgrad_plan *plan, const void *first, const void *second, void *result,
                                  void *workspace);
void convgrad_plan_destroy(convgrad_plan *plan);

/* What this build holds, for tests, tuners and the curious. */
typedef struct {
  const char *name;
  const char *target;
  const char *algorithm;
  convgrad_op op;
  convgrad_dtype dtype;
  int32_t usable_here; /* 1 where this machine has what the kernel's target needs; a GPU is looked for once */
  int32_t reserved;
} convgrad_kernel_info;

size_t convgrad_kernel_count(void);
const convgrad_kernel_info *convgrad_kernel_at(size_t index); /* static; NULL past the end */

/* Ends the default context and its threads, for code that is unloaded: a plugin that holds the static library calls
 * this before it goes, when its contexts and plans are destroyed. (The shared library ends its threads itself.) No call
 * with a NULL context may be in flight; a later one makes a new default context. A plan that was made with a NULL
 * context keeps the threads until it is destroyed. */
void convgrad_default_context_destroy(void);

#ifdef __cplusplus
}
#endif

#endif /* CONVGRAD_CONVGRAD_H */
