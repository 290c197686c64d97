// The kernels of one op and the rows that say where each is preferred. Built from the generated .inc files, and by
// hand in tests of choosing.
#ifndef CONVGRAD_RUNTIME_KERNEL_TABLE_H
#define CONVGRAD_RUNTIME_KERNEL_TABLE_H

#include <cstddef>
#include <cstdint>

#include "api.h"
#include "targets.h"

namespace convgrad {

// A backprop_input kernel for a fixed stride has a result for each phase, stride height times stride width, unless it
// joins them.
constexpr int kMaxPhases = 16;

// kernel_facts.inc says what each fact means.
struct Kernel {
  const char *name;
  const char *algorithm;
  const Target *target;
  convgrad_dtype dtype;
  int (*run)(void **arguments);
  size_t scratch_bytes;  // what one task needs at most

  int filter[2], stride[2];  // height, width
  int fixed, strict;
  int most_reduced_channels;
  int packed_filter_channels;
  int reads_input_in_place;
  int joins_phases;
  int pixel_tile;
  struct {
    int in_channels, out_channels;               // of a filter gradient
    int channels, columns, rows, images, tiles;  // of an image
  } task;
  struct {
    int in_channels, out_channels;
    int channels, columns, rows, images;
  } slice;
  struct {
    double filter, image;
  } packing;

  bool has_known_tasks() const { return task.in_channels != 0 || task.channels != 0; }
};

// What a row's conditions compare, of the sizes of a normalized problem.
enum class Size {
#define CONVGRAD_SIZE(name, value) name,
#include "sizes.inc"
#undef CONVGRAD_SIZE
  count,
};
enum class Bound { none, min, max, multiple };  // none: ends a list of conditions

constexpr int kMaxConditions = 3 * static_cast<int>(Size::count);

struct Condition {
  Bound bound;
  Size size;
  int64_t value;
};

struct Row {
  int kernel;            // index into the table's kernels
  const char *hardware;  // "any", or the only kind of CPU that the row is for
  Condition when[kMaxConditions + 1];
};

struct KernelTable {
  convgrad_op op;
  const Kernel *kernels;
  size_t kernel_count;
  const Row *rows;  // in the order in which they are tried
  size_t row_count;
};

// One translation unit each, so that a program holds the kernels of the ops that it names.
extern const KernelTable conv2d_table, conv2d_backprop_input_table, conv2d_backprop_filter_table;

}  // namespace convgrad

#endif
