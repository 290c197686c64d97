// A call as pieces for the threads to share, each a part of the reduction (reduction_parts.h) of a slice of the result
// (slices.h), computed by the kernel with one thread.
#ifndef CONVGRAD_RUNTIME_DIVIDE_PIECES_H
#define CONVGRAD_RUNTIME_DIVIDE_PIECES_H

#include "divide/reduction_parts.h"
#include "divide/slices.h"
#include "launch.h"

namespace convgrad {

struct Pieces {
  ReductionParts parts;
  Slices slices;

  int64_t count() const { return parts.count * slices.all(); }
};

// As launch(), in pieces; `partials` holds parts.count - 1 of the parts' results. Each of the workspace's slots has
// room for all scratch of a piece.
int launch_in_pieces(const Kernel &kernel, const Normalized &problem, const Pieces &pieces, const Place first[3],
                     char *partials, const CallContext &context);

}  // namespace convgrad

#endif
