// backprop_input.h's arithmetic for images of few channels, such as a network's first, as schedules/cpu/
// image_along_width.cpp wants it: out_backprop turned, so that its columns lie side by side, and all phases of a
// strided problem in one result, whose channels and columns are one run of values.
//
// Counted from the result's minimum, which holds the padding, each phase has every step_x-th column, and each group of
// step_x columns has one of each phase. Which place in a group is which phase's depends on that minimum, so it is known
// at run time only; that a place belongs to one phase throughout is enough. Rows likewise.
#include "families/image_along_width.h"
#include "generators/generator_base.h"
#include "schedules/image.h"

namespace convgrad {

class BackpropInputAlongWidth : public Conv2dGenerator<BackpropInputAlongWidth, ImageAlongWidth> {
 public:
  Input<Buffer<void, 4>> filter{"filter"};                            // (k, c, s, r)
  Input<Buffer<void, 4>> out_backprop{"out_backprop"};                // (k, q, p, n)
  Input<int32_t> dilation_w{"dilation_w"}, dilation_h{"dilation_h"};  // 1
  Output<Buffer<void, 4>> in_backprop{"in_backprop"};                 // (c, x, y, n)

  void configure() { configure_types(filter, out_backprop, in_backprop); }

  void generate() {
    step_x = stride_width, step_y = stride_height;
    left = in_backprop.dim(1).min(), top = in_backprop.dim(2).min();
    panel_left = left / step_x - (taps_of_phase(filter_width, step_x, 0) - 1);
    define_panel();

    const int tile = params().tile_channels, group_x = step_x * tile;
    std::vector<Expr> group(group_x * step_y,
                            Halide::Internal::make_zero(accumulator()));  // its values, channels innermost
    for (int a = 0; a < step_y; a++) {
      for (int b = 0; b < step_x; b++) {
        const Phase phase = define_phase(a, b);
        for (int j = 0; j < step_y; j++) {
          for (int i = 0; i < step_x; i++) {
            for (int channel = 0; channel < tile; channel++) {
              Expr &value = group[(j * step_x + i) * tile + channel];
              value = select(phase.place_x == i && phase.place_y == j,
                             value_of(phase, c * tile + channel, x / group_x, y / step_y), value);
            }
          }
        }
      }
    }
    stages.pixels(x, c, y, n) = stored(mux(y % step_y * group_x + x % group_x, group));
    in_backprop(c, x, y, n) = stages.pixels(c % tile + (x - left) * tile, c / tile, y - top, n);
  }

  void schedule() {
    set_filter_layout(filter);
    set_gradient_layout(out_backprop);
    set_layout(in_backprop);
    stages.result = in_backprop;
    stages.channel = c, stages.reduced = k, stages.x = x, stages.y = y, stages.n = n, stages.e = e;
    stages.step_x = step_x, stages.step_y = step_y;
    // The phases' first columns may be one apart.
    stages.halo_x = taps_of_phase(filter_width, step_x, 0) - 1 + (step_x > 1 ? 1 : 0);
    stages.halo_y = taps_of_phase(filter_height, step_y, 0) - 1 + (step_y > 1 ? 1 : 0);
    stages.prefetch = prefetch_of(out_backprop);
    stages.gradient_in_vectors = in_vectors(out_backprop);
    stages.result_in_one_run =
        in_backprop.dim(0).extent() == params().tile_channels && in_backprop.dim(1).stride() == params().tile_channels;
    ImageAlongWidth::schedule(stages, params());
    finish_schedule({});
  }

 private:
  struct Phase {
    Func sum;               // undefined where no tap reaches the phase
    Expr place_x, place_y;  // in its group
  };

  // The coordinate, within the phase, of its first column from `begin` on.
  static Expr first_of_phase(const Expr &begin, int stride, int phase) { return (begin - phase + stride - 1) / stride; }

  // Squares of out_backprop, each turned by log2(lanes) rounds of interleaving its halves: a round moves the highest
  // bit of a value's number to the lowest place, and as many as a side has bits exchange column and channel. (As one
  // shuffle of all its lanes LLVM makes five times as many instructions of a square of 16 x 16.)
  void define_panel() {
    const Func gradient = channels_repeated(out_backprop, {1, 2, 3});
    const int side = lanes(), values = side * side;
    Func square("square");
    square(e, x, k, y, n) = gradient(k * side + e % side, panel_left + x * side + e / side, y, n);
    stages.squares = {square};
    for (int turned = 1; turned < side; turned *= 2) {
      Func next("square");
      next(e, x, k, y, n) = stages.squares.back()(e / 2 + e % 2 * (values / 2), x, k, y, n);
      stages.squares.push_back(next);
    }
    stages.panel(x, k, y, n) = stages.squares.back()(k % side * side + x % side, x / side, k / side, y, n);
  }

  Phase define_phase(int a, int b) {
    const Expr first_x = first_of_phase(left, step_x, b), first_y = first_of_phase(top, step_y, a);
    Phase phase;
    phase.place_x = step_x * first_x + b - left, phase.place_y = step_y * first_y + a - top;
    const int taps_x = taps_of_phase(filter_width, step_x, b), taps_y = taps_of_phase(filter_height, step_y, a);
    if (taps_x > 0 && taps_y > 0) {
      const RDom t(0, filter.dim(0).extent(), 0, taps_x, 0, taps_y);
      phase.sum = Func("sum");
      phase.sum(c, x, y, n) +=
          product(filter(t.x, min(c, filter.dim(1).extent() - 1), b + step_x * t.y, a + step_y * t.z),
                  stages.panel(first_x + x - t.y - panel_left, t.x, first_y + y - t.z, n));
      stages.sums.push_back({phase.sum, t});
    }
    return phase;
  }

  Expr value_of(const Phase &phase, const Expr &channel, const Expr &column, const Expr &row) const {
    return phase.sum.defined() ? phase.sum(channel, column, row, n) : Halide::Internal::make_zero(accumulator());
  }

  int step_x = 1, step_y = 1;
  Expr left, top;   // the result's minimum
  Expr panel_left;  // the column of out_backprop that the panel begins with
  Var k{"k"}, c{"c"}, x{"x"}, y{"y"}, n{"n"}, e{"e"};
  AlongWidthStages stages;
};

}  // namespace convgrad

HALIDE_REGISTER_GENERATOR(convgrad::BackpropInputAlongWidth, conv2d_backprop_input_image_along_width)
