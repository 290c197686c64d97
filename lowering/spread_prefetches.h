// Prefetches that keep memory busy while a tile is computed.
#ifndef CONVGRAD_LOWERING_SPREAD_PREFETCHES_H
#define CONVGRAD_LOWERING_SPREAD_PREFETCHES_H

#include <Halide.h>

#include <string>

namespace convgrad {

// Halide's prefetch directive fetches all that a loop's next round reads when a round begins, which stalls for as long
// as the reads would have; and it fetches one line in four of floats, past L2 (Halide 21, x86). When the pipeline is
// lowered this takes the addresses that it found for the loop `round` of an update and fetches every line to L2
// instead, a share of the pixels before each computation of `tile`, a Func inside of that loop.
// The kernel then calls convgrad_prefetch. Fails the build where there is no such prefetch, or no such tile.
void spread_prefetches(Halide::Pipeline pipeline, const std::string &round, const Halide::Func &tile);

}  // namespace convgrad

#endif  // CONVGRAD_LOWERING_SPREAD_PREFETCHES_H
