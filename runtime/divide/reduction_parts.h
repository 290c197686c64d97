// A filter gradient with few channels has few tasks: a task sums over all pixels of all images. Its pixels are then
// dealt out to parts, each a gradient of its own, and the parts are added up in their order. How many there are depends
// on sizes alone, so that the result has the same bits for any number of threads.
#ifndef CONVGRAD_RUNTIME_DIVIDE_REDUCTION_PARTS_H
#define CONVGRAD_RUNTIME_DIVIDE_REDUCTION_PARTS_H

#include "kernel_table.h"
#include "normalize.h"

namespace convgrad {

struct ReductionParts {
  int64_t count = 1;  // 1: the reduction stays whole
  int axis = HEIGHT;  // along which the output is cut: HEIGHT, or WIDTH where it is one row
  int64_t rows = 0;   // (or columns) of a part; the last one may have fewer
};

ReductionParts reduction_parts(const Kernel &kernel, const Normalized &problem);

// Part `index` of the problem, which still has the whole result.
Normalized part_of(const Normalized &problem, const ReductionParts &parts, int64_t index);

// A part's result, without gaps, and what it takes in the workspace: whole cache lines. The first part's lies in the
// result itself.
View partial_view(const View &filter);
size_t partial_bytes(const Normalized &problem);

}  // namespace convgrad

#endif
