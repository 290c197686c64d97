// How scratch lies in memory, for those who compute its size (lowering/scratch_size.h, divide/packed_filter.h) and
// those who deal it out (scratch.h). In bytes.
#ifndef CONVGRAD_RUNTIME_SCRATCH_LAYOUT_H
#define CONVGRAD_RUNTIME_SCRATCH_LAYOUT_H

#include <cstddef>

namespace convgrad {
namespace scratch_layout {

// A block begins on a cache line and has whole ones.
constexpr size_t kLine = 64;
// A line before each, for its header, and one behind it: Halide may read a vector beyond either end.
constexpr size_t kAroundBlock = 2 * kLine;
// So many bytes in whole lines.
template <typename Bytes>
constexpr Bytes in_lines(Bytes bytes) {
  return (bytes + kLine - 1) / kLine * kLine;
}
// What the build adds up for a block of this many bytes.
constexpr size_t block(size_t bytes) { return in_lines(bytes) + kAroundBlock; }

}  // namespace scratch_layout
}  // namespace convgrad

#endif
