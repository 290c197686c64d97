// What the Winograd schedules for CPUs have in common: how tiles are transformed.
#ifndef CONVGRAD_SCHEDULES_CPU_WINOGRAD_H
#define CONVGRAD_SCHEDULES_CPU_WINOGRAD_H

#include "schedules/winograd.h"

namespace convgrad {

// Rows of a matrix among 36 that lie one behind the other. A transform writes one vector into each: with an odd number
// of rows they fall into different sets of L1, with a power of two into one.
inline int odd(int rows) { return rows | 1; }

// One of the two passes of a transform: rows (columns) one after the other in a loop, since both passes unrolled need
// twice the registers that there are (AVX-512: 426 instructions where two loops run 300).
void schedule_pass(Halide::Func pass, Halide::Var channel, int lanes, Halide::Var unrolled, int unrolled_size,
                   Halide::Var looped, int looped_size);

// Transformed tiles, computed at `consumer`'s loop over panels: at most so many channels of so many tiles.
void schedule_tiles(TransformedTiles tiles, Halide::Func consumer, Halide::RVar panel, int lanes, int channels,
                    int count);

// The sums of `products`, whose update is split into panels: register tiles of tile_vectors x tile_rows accumulators,
// the rows being dimension `row` and the vectors dimension `channel`. Loops, from the inside: a register tile, rows,
// channels, the 36 matrices, panels.
void schedule_products(Halide::Func products, Halide::RVar reduction, int panel_size, Halide::RVar panel,
                       Halide::Var channel, int tile_vectors, int lanes, Halide::Var row, int tile_rows, Halide::Var i,
                       Halide::Var j);

}  // namespace convgrad

#endif  // CONVGRAD_SCHEDULES_CPU_WINOGRAD_H
