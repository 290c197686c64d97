// Accumulators that live in registers although their loop over panels is a block's, not a thread's.
#ifndef CONVGRAD_LOWERING_THREAD_REGISTERS_H
#define CONVGRAD_LOWERING_THREAD_REGISTERS_H

#include <Halide.h>

#include <vector>

namespace convgrad {

// A Func that is computed at a GPU block and stored in MemoryType::Register has room for the whole block in each
// thread, of which a thread touches its own part alone. When the pipeline is lowered this shrinks the allocation of
// each of these Funcs to that part: an index must be the same function of the thread's number, plus a constant,
// wherever it occurs, and no two threads may share an element. Anything else fails the build.
void keep_in_registers(Halide::Pipeline pipeline, const std::vector<Halide::Func> &funcs);

}  // namespace convgrad

#endif  // CONVGRAD_LOWERING_THREAD_REGISTERS_H
