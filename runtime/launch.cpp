#include "launch.h"

#include <HalideRuntime.h>

#include <cstring>

namespace convgrad {
namespace {

halide_type_t halide_type(convgrad_dtype dtype) {
  return halide_type_t(dtype == CONVGRAD_BFLOAT16 ? halide_type_bfloat : halide_type_float,
                       static_cast<uint8_t>(8 * dtype_size(dtype)));
}

// A halide_buffer_t over a view, without a copy. Its coordinates start at `min`.
class Buffer {
 public:
  void set(const Kernel &kernel, const Place &first, const View &view, int64_t min1, int64_t min2) {
    const int64_t min[4] = {0, min1, min2, 0};
    const int64_t bytes = first.offset + view.offset * dtype_size(kernel.dtype);
    raw_ = halide_buffer_t();
    raw_.type = halide_type(kernel.dtype);
    raw_.dimensions = 4;
    raw_.dim = dimensions_;
    switch (kernel.target->device) {
      case DeviceKind::CPU:
        raw_.host = reinterpret_cast<uint8_t *>(first.memory) + bytes;
        break;
      case DeviceKind::CUDA:
        raw_.device = first.memory + static_cast<uint64_t>(bytes);
        break;
      case DeviceKind::OPENCL:
        raw_.device = first.memory;  // a cl_mem has no address: the kernel adds the offset
        offset_ = static_cast<int32_t>(bytes / dtype_size(kernel.dtype));
        break;
    }
    for (int i = 0; i < 4; ++i) {
      // A dimension of one element needs no stride, and the caller's may not fit.
      const int64_t stride = view.size[i] > 1 ? view.stride[i] : i == 0 ? 1 : 0;
      dimensions_[i].min = static_cast<int32_t>(min[i]);
      dimensions_[i].extent = static_cast<int32_t>(view.size[i]);
      dimensions_[i].stride = static_cast<int32_t>(stride);
      dimensions_[i].flags = 0;
    }
  }
  halide_buffer_t *raw() { return &raw_; }
  int32_t *offset() { return &offset_; }

 private:
  halide_dimension_t dimensions_[4];
  halide_buffer_t raw_;
  int32_t offset_ = 0;
};

// What a kernel is called with: the call's context, operands, up to four numbers, the buffers' offsets where it takes
// them, results.
template <int kResults>
class Arguments {
 public:
  explicit Arguments(CallContext *context) : context_(context) { add(&context_); }
  void add(void *argument) { values_[count_++] = argument; }
  void add_offset(const Kernel &kernel, Buffer *buffer) {
    if (kernel.target->device == DeviceKind::OPENCL) add(buffer->offset());
  }
  void **values() { return values_; }

 private:
  void *context_;
  void *values_[1 + 2 + 4 + 2 + 2 * kResults];
  int count_ = 0;
};

// The stride that a kernel is called with: its own where the problem has one position, which suits any.
int64_t stride_for(const Kernel &kernel, const Axis &axis, int i) {
  return kernel.stride[i] != 0 ? kernel.stride[i] : axis.stride;
}

int64_t padding(const Normalized &problem, int axis) { return static_cast<int64_t>(problem.axis[axis].before); }

// What lies on the stack here lies there while the kernel runs, and it is the caller's: the ways to launch one are
// compiled apart (noinline), so that none makes room for the others'. `first` are those of one group.

// conv2d and backprop_filter: two operands, steps over the input, a result.
__attribute__((noinline)) int launch_forward(const Kernel &kernel, const Normalized &problem, const Place first[3],
                                             CallContext *context) {
  Buffer in, filter, out;
  in.set(kernel, first[INPUT], problem.view[INPUT], padding(problem, WIDTH), padding(problem, HEIGHT));
  filter.set(kernel, first[FILTER], problem.view[FILTER], 0, 0);
  out.set(kernel, first[OUTPUT], problem.view[OUTPUT], 0, 0);
  int32_t stride[2], dilation[2];
  for (int i = 0; i < 2; ++i) {
    stride[i] = static_cast<int32_t>(stride_for(kernel, problem.axis[i], i));
    dilation[i] = static_cast<int32_t>(problem.axis[i].dilation);
  }
  const bool is_conv2d = problem.op == CONVGRAD_OP_CONV2D;
  Buffer *const buffers[3] = {&in, is_conv2d ? &filter : &out, is_conv2d ? &out : &filter};
  Arguments<1> arguments(context);
  arguments.add(buffers[0]->raw());
  arguments.add(buffers[1]->raw());
  for (int32_t *number : {&stride[WIDTH], &stride[HEIGHT], &dilation[WIDTH], &dilation[HEIGHT]}) arguments.add(number);
  for (Buffer *buffer : buffers) arguments.add_offset(kernel, buffer);
  arguments.add(buffers[2]->raw());
  return kernel.run(arguments.values());
}

// The rows of one phase along one axis of an input's view.
void take_rows(View *view, int axis, int64_t first_row, int64_t rows, int64_t step) {
  const int dimension = image_dimension(axis);
  if (rows > 0) view->offset += first_row * view->stride[dimension];
  view->size[dimension] = rows;
  if (rows > 1) view->stride[dimension] *= step;
}

template <int kResults>
int run_backprop_input(const Kernel &kernel, Buffer *filter, Buffer *out, int32_t dilation[2], Buffer (&in)[kResults],
                       int results, CallContext *context) {
  Arguments<kResults> arguments(context);
  arguments.add(filter->raw());
  arguments.add(out->raw());
  arguments.add(&dilation[WIDTH]);
  arguments.add(&dilation[HEIGHT]);
  arguments.add_offset(kernel, filter);
  arguments.add_offset(kernel, out);
  for (int i = 0; i < results; ++i) arguments.add_offset(kernel, &in[i]);
  for (int i = 0; i < results; ++i) arguments.add(in[i].raw());
  return kernel.run(arguments.values());
}

// A kernel for a fixed stride writes all phases of the input's gradient in one call, each a result or all of them one.
int results_of(const Kernel &kernel) { return kernel.joins_phases ? 1 : kernel.stride[HEIGHT] * kernel.stride[WIDTH]; }

// Where that is one result.
__attribute__((noinline)) int launch_whole(const Kernel &kernel, const Normalized &problem, const Place first[3],
                                           CallContext *context) {
  Buffer filter, out, in[1];
  filter.set(kernel, first[FILTER], problem.view[FILTER], 0, 0);
  out.set(kernel, first[OUTPUT], problem.view[OUTPUT], 0, 0);
  in[0].set(kernel, first[INPUT], problem.view[INPUT], padding(problem, WIDTH), padding(problem, HEIGHT));
  int32_t dilation[2];
  for (int i = 0; i < 2; ++i) dilation[i] = static_cast<int32_t>(problem.axis[i].dilation);
  return run_backprop_input(kernel, &filter, &out, dilation, in, 1, context);
}

// Where there is one for each phase, at most kResults.
template <int kResults>
__attribute__((noinline)) int launch_together(const Kernel &kernel, const Normalized &problem, const Place first[3],
                                              CallContext *context) {
  Buffer filter, out, in[kResults];
  filter.set(kernel, first[FILTER], problem.view[FILTER], 0, 0);
  out.set(kernel, first[OUTPUT], problem.view[OUTPUT], 0, 0);
  Axis axis[2] = {problem.axis[HEIGHT], problem.axis[WIDTH]};
  int32_t dilation[2];
  for (int i = 0; i < 2; ++i) {
    axis[i].stride = kernel.stride[i];
    dilation[i] = static_cast<int32_t>(axis[i].dilation);
  }
  int phase = 0;
  for (int a = 0; a < kernel.stride[HEIGHT]; ++a) {
    for (int b = 0; b < kernel.stride[WIDTH]; ++b, ++phase) {
      const PhaseRows rows = phase_rows(axis[HEIGHT], a);
      const PhaseRows columns = phase_rows(axis[WIDTH], b);
      View part = problem.view[INPUT];
      take_rows(&part, HEIGHT, rows.first_row, rows.rows, kernel.stride[HEIGHT]);
      take_rows(&part, WIDTH, columns.first_row, columns.rows, kernel.stride[WIDTH]);
      in[phase].set(kernel, first[INPUT], part, columns.min, rows.min);
    }
  }
  return run_backprop_input(kernel, &filter, &out, dilation, in, phase, context);
}

// A kernel for any stride computes one phase a call, each a problem of stride 1.
__attribute__((noinline)) int launch_phases(const Kernel &kernel, const Normalized &problem, const Place first[3],
                                            CallContext *context) {
  Buffer filter, out, in[1];
  out.set(kernel, first[OUTPUT], problem.view[OUTPUT], 0, 0);
  for (int64_t i = 0; i < phase_count(problem.axis[HEIGHT]); ++i) {
    const Phase rows = phase_at(problem.axis[HEIGHT], i);
    if (rows.rows == 0) continue;
    for (int64_t j = 0; j < phase_count(problem.axis[WIDTH]); ++j) {
      const Phase columns = phase_at(problem.axis[WIDTH], j);
      if (columns.rows == 0) continue;
      View part = problem.view[INPUT];
      View taps = problem.view[FILTER];
      const Phase phase[2] = {rows, columns};
      int32_t dilation[2];
      for (int k = 0; k < 2; ++k) {
        const int dimension = filter_dimension(k);
        take_rows(&part, k, phase[k].first_row, phase[k].rows, problem.axis[k].stride);
        taps.offset += phase[k].first_tap * taps.stride[dimension];
        taps.size[dimension] = phase[k].taps;
        if (phase[k].taps > 1) taps.stride[dimension] *= phase[k].tap_step;
        dilation[k] = static_cast<int32_t>(phase[k].dilation);
      }
      filter.set(kernel, first[FILTER], taps, 0, 0);
      in[0].set(kernel, first[INPUT], part, columns.min, rows.min);
      if (const int error = run_backprop_input(kernel, &filter, &out, dilation, in, 1, context)) return error;
    }
  }
  return 0;
}

int launch_group(const Kernel &kernel, const Normalized &problem, const Place first[3], CallContext *context) {
  if (problem.op != CONVGRAD_OP_CONV2D_BACKPROP_INPUT) return launch_forward(kernel, problem, first, context);
  if (kernel.stride[HEIGHT] == 0) return launch_phases(kernel, problem, first, context);
  const int results = results_of(kernel);
  return results == 1   ? launch_whole(kernel, problem, first, context)
         : results <= 4 ? launch_together<4>(kernel, problem, first, context)
                        : launch_together<kMaxPhases>(kernel, problem, first, context);
}

}  // namespace

Runs runs_of(const int64_t size[4], const int64_t stride[4], int64_t element_bytes) {
  int order[4];  // the innermost loop walks forward
  order_by_stride(stride, order);
  Runs runs = {static_cast<size_t>(element_bytes), {1, 1, 1, 1}, {0, 0, 0, 0}};
  int dimensions = 0;
  for (int i : order) {
    if (size[i] == 0) return {0, {0, 0, 0, 0}, {0, 0, 0, 0}};
    if (size[i] == 1) continue;
    const int64_t step = stride[i] * element_bytes;
    if (dimensions == 0 && step == static_cast<int64_t>(runs.bytes)) {
      runs.bytes *= static_cast<size_t>(size[i]);
    } else if (dimensions > 0 && step == runs.extent[dimensions - 1] * runs.step[dimensions - 1]) {
      runs.extent[dimensions - 1] *= size[i];  // continues the one before
    } else {
      runs.extent[dimensions] = size[i];
      runs.step[dimensions++] = step;
    }
  }
  return runs;
}

void fill_zeros(char *first, const int64_t size[4], const int64_t stride[4], int64_t element_bytes) {
  const Runs runs = runs_of(size, stride, element_bytes);
  for_each_run(runs, [&](int64_t offset) {
    memset(first + offset, 0, runs.bytes);
    return 0;
  });
}

bool leaves_gaps(const Kernel &kernel, const Normalized &problem) {
  return problem.op == CONVGRAD_OP_CONV2D_BACKPROP_INPUT && kernel.stride[HEIGHT] == 0 &&
         (phases_leave_rows(problem.axis[HEIGHT]) || phases_leave_rows(problem.axis[WIDTH]));
}

int launch(const Kernel &kernel, const Normalized &problem, const Place first[3], CallContext *context) {
  for (int64_t group = 0; group < problem.groups; ++group) {
    Place of_group[3];
    for (int role = 0; role < 3; ++role) {
      const int64_t elements = group * problem.group_step[role];
      of_group[role] = {first[role].memory, first[role].offset + elements * dtype_size(kernel.dtype)};
    }
    if (const int error = launch_group(kernel, problem, of_group, context)) return error;
  }
  return 0;
}

}  // namespace convgrad
