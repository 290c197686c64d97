#include "schedules/cpu/winograd.h"

namespace convgrad {

using Halide::Func;
using Halide::MemoryType;
using Halide::Partition;
using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;

void schedule_pass(Func pass, Var channel, int lanes, Var unrolled, int unrolled_size, Var looped, int looped_size) {
  pass.store_in(MemoryType::Stack)
      .bound_extent(channel, lanes)
      .bound_extent(unrolled, unrolled_size)
      .bound_extent(looped, looped_size)
      .reorder(channel, unrolled, looped)
      .vectorize(channel)
      .unroll(unrolled);
}

void schedule_tiles(TransformedTiles tiles, Func consumer, RVar panel, int lanes, int channels, int count) {
  Var vector("vector"), lane("lane");
  const int whole_vectors = (channels + lanes - 1) / lanes * lanes;
  tiles.tile.compute_at(consumer, panel)
      .store_in(MemoryType::Heap)
      .bound_storage(tiles.channel, whole_vectors)
      .bound_storage(tiles.t, odd(count));
  int update = 0;
  for (TransformedTiles::Way *way : {&tiles.interior, &tiles.border}) {
    tiles.tile.update(update++)
        .split(tiles.channel, vector, lane, lanes, TailStrategy::RoundUp)
        .reorder(lane, tiles.j, tiles.i, vector, tiles.t)
        .vectorize(lane)
        .unroll(tiles.j);
    schedule_pass(way->rows.compute_at(tiles.tile, vector), tiles.channel, lanes, tiles.i, WinogradSizes::domain_side,
                  tiles.y, tiles.size);
    schedule_pass(way->pixels.compute_at(way->rows, tiles.y), tiles.channel, lanes, tiles.x, tiles.size, tiles.y, 1);
  }
}

void schedule_products(Func products, RVar reduction, int panel_size, RVar panel, Var channel, int tile_vectors,
                       int lanes, Var row, int tile_rows, Var i, Var j) {
  // Each panel's part of a sum is a Func of its own (rfactor), small enough for registers.
  RVar within("within");
  Var part("part");
  products.update().split(reduction, panel, within, panel_size, TailStrategy::GuardWithIf);
  Func tile = products.update().rfactor(panel, part);

  Var tile_channel("tile_channel"), tile_row("tile_row"), inner_row("inner_row"), vector("vector"), lane("lane");
  products.store_in(MemoryType::Heap).vectorize(channel, lanes, TailStrategy::RoundUp);
  products.update()
      .split(channel, tile_channel, vector, tile_vectors * lanes, TailStrategy::RoundUp)
      .split(vector, vector, lane, lanes)
      .split(row, tile_row, inner_row, tile_rows, TailStrategy::RoundUp)
      .reorder({lane, vector, inner_row, tile_row, tile_channel, i, j, panel})
      .partition(panel, Partition::Never)
      .vectorize(lane)
      .unroll(vector)
      .unroll(inner_row);
  tile.compute_at(products, tile_row)
      .store_in(MemoryType::Stack)
      .bound_extent(channel, tile_vectors * lanes)
      .bound_extent(row, tile_rows)
      .split(channel, vector, lane, lanes)
      .vectorize(lane)
      .unroll(vector)
      .unroll(row);
  tile.update()
      .split(channel, vector, lane, lanes)
      .reorder(lane, vector, row, within)
      .vectorize(lane)
      .unroll(vector)
      .unroll(row);
}

}  // namespace convgrad
