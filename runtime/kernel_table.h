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

struct Kernel {
  const char *name;
  const char *algorithm;
  const Target *target;
  convgrad_dtype dtype;
  int filter[2];       // height, width; 0: any
  int stride[2];       // height, width; 0, in both: any
  bool channels_last;  // wants channels next to each other
  bool strict_ok;      // keeps the error bound of direct summation
  int max_reduction;   // the most channels that it sums over; 0: any number
  int filter_tile;     // of a filter that is packed whole, in tiles: channels of the result in each; else 0
  int block[4];  // of a CPU's task: a filter gradient's input and output channels; an image's channels, and width,
                 // height and images, or by Winograd's algorithm tiles; [0] 0: not known (a filter gradient for
                 // any filter, a GPU's kernel)
  int grain[3];  // what a slice (slices.h) has a multiple of: a filter gradient's input and output channels; an
                 // image's channels, columns and images. By Winograd's algorithm the bits rest on it.
  bool input_in_place;  // reads its input where it is (a filter gradient of one tap), so there must be no padding
  bool joins_phases;    // of a backprop_input: has one result, whose minimum is the padding
  int (*run)(void **arguments);
  size_t scratch_bytes;  // what one task needs at most
};

// What a row's conditions compare, for the sizes of a normalized problem: channels are those of one group.
enum class Key {
  none,  // ends a list of conditions
  min_batch,
  max_batch,
  min_in_height,
  max_in_height,
  min_in_width,
  max_in_width,
  min_in_channels,
  max_in_channels,
  min_out_height,
  max_out_height,
  min_out_width,
  max_out_width,
  min_out_channels,
  max_out_channels,
  min_groups,
  max_groups,
  multiple_batch,
  multiple_in_channels,
  multiple_out_channels,
};

constexpr int kMaxConditions = 19;

struct Condition {
  Key key;
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
