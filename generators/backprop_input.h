// dx[n,h,w,c] = sum over r,s,k with p,q whole and inside  w[r,s,c,k] * dy[n, (h+top-r*Dh)/Sh, (w+left-s*Dw)/Sw, k]
//
// A row h with (h + top) mod Sh = a meets only the taps r = a, a + Sh, ... (dilation 1), and columns likewise: phase
// (a, b) of dx is a stride-1 problem of its own with those taps, dx_ab[i, j] = sum over r,s w[a + Sh*r, b + Sw*s] *
// dy[i - r, j - s], which multiplies no structural zero. A phase is an output of its own, a strided view of dx whose
// minimum holds the padding: row h of phase a has the coordinate (h + top - a) / Sh.
//
// The generic algorithm computes one stride-1 problem of any dilation; its caller hands over the phases one by one.
#ifndef CONVGRAD_GENERATORS_BACKPROP_INPUT_H
#define CONVGRAD_GENERATORS_BACKPROP_INPUT_H

#include <string>
#include <vector>

#include "generators/filter_panel.h"
#include "generators/generator_base.h"

namespace convgrad {

// Of the families that compute ImageStages.
template <typename Family>
class BackpropInput : public Conv2dGenerator<BackpropInput<Family>, Family> {
 public:
  CONVGRAD_GENERATOR_NAMES(BackpropInput)

  Input<Buffer<void, 4>> filter{"filter"};              // (k, c, s, r)
  Input<Buffer<void, 4>> out_backprop{"out_backprop"};  // (k, q, p, n)
  Input<int32_t> dilation_w{"dilation_w"}, dilation_h{"dilation_h"};

  void configure() {
    configure_types(filter, out_backprop);
    std::vector<std::string> buffers = {"filter", "out_backprop"};
    for (int phase = 0; phase < phases_x() * phases_y(); phase++) {
      buffers.push_back("in_backprop_" + std::to_string(phase));
      in_backprop.push_back(this->template add_output<Buffer<void, 4>>(buffers.back(), storage()));  // (c, x, y, n)
    }
    configure_offsets(buffers);
  }

  void generate() {
    gradient = on_gpu()          ? padded(out_backprop)
               : kAlongReduction ? zero_outside(out_backprop, {0, 1, 2, 3})
                                 : zero_outside(out_backprop, {1, 2, 3});
    for (int a = 0; a < phases_y(); a++) {
      for (int b = 0; b < phases_x(); b++) {
        Phase phase;
        phase.output = in_backprop[a * phases_x() + b];
        phase.taps_x = fixed() ? taps_of_phase(filter_width, stride_width, b) : 0;
        phase.taps_y = fixed() ? taps_of_phase(filter_height, stride_height, a) : 0;
        if (fixed() && (phase.taps_x == 0 || phase.taps_y == 0)) {
          (*phase.output)(c, x, y, n) = zero();
        } else {
          define(phase, a, b);
        }
        phases.push_back(phase);
      }
    }
  }

  void schedule() {
    set_filter_layout(filter);
    set_gradient_layout(out_backprop);
    std::vector<Func> sums, whole_tensors;
    for (Phase &phase : phases) {
      set_layout(*phase.output);
      if (phase.stages.sum.defined()) {
        Family::schedule(phase.stages, params());
        sums.push_back(phase.stages.sum);
        if (packed_filter_channels(params()) != 0) whole_tensors.push_back(phase.stages.filter_panel);
      } else {
        on_gpu() ? schedule_zeros_on_gpu(*phase.output) : schedule_zeros_on_cpu(*phase.output, lanes());
      }
    }
    finish_schedule(sums, whole_tensors);
  }

 private:
  // Its vectors run along the reduced channels, so that both panels are whole vectors of those.
  static constexpr bool kAlongReduction = Family::along_reduction;

  struct Phase {
    Output<Buffer<void, 4>> *output = nullptr;
    int taps_x = 0, taps_y = 0;  // of a fixed filter
    ImageStages stages;          // their sum is undefined where no tap reaches the phase
  };

  int phases_x() const { return fixed() ? static_cast<int>(stride_width) : 1; }
  int phases_y() const { return fixed() ? static_cast<int>(stride_height) : 1; }

  void define(Phase &phase, int a, int b) {
    const auto params = this->params();
    ImageStages &stages = phase.stages;
    stages.result = *phase.output;
    stages.sum = Func("sum");
    stages.image_panel = Func("image_panel");
    stages.prefetch = prefetch_of(out_backprop);
    stages.channel = c, stages.reduced = k, stages.x = x, stages.y = y, stages.n = n, stages.s = s, stages.r = r;
    const Expr channels = kAlongReduction ? (filter.dim(0).extent() + lanes() - 1) / lanes() * lanes()
                                          : in_whole_panels(filter.dim(0).extent(), params.block_reduction);
    const Func taps = on_gpu()          ? padded(filter)
                      : kAlongReduction ? zero_outside(filter, {0, 1})
                                        : zero_outside(filter, {1});
    const int step_x = fixed() ? static_cast<int>(stride_width) : 1;
    const int step_y = fixed() ? static_cast<int>(stride_height) : 1;
    const FilterPanel filter_panel(&stages, filter.dim(1).extent(), packed_filter_channels(params),
                                   [&](const Expr &channel, const Expr &reduced, const Expr &s, const Expr &r) {
                                     return taps(reduced, channel, b + step_x * s, a + step_y * r);
                                   });
    if (fixed()) {
      RDom t(0, channels, 0, phase.taps_x, 0, phase.taps_y);
      stages.image_panel(k, x, y, n) = gradient(k, x, y, n);
      stages.sum(filter_panel.of_sum()) += product(filter_panel.tap(t), stages.image_panel(t.x, x - t.y, y - t.z, n));
      stages.reduction = t;
    } else {
      RDom t(0, channels, 0, filter.dim(2).extent(), 0, filter.dim(3).extent());
      stages.image_panel(k, x, y, n, s, r) = gradient(k, x - s * dilation_w, y - r * dilation_h, n);
      stages.sum(filter_panel.of_sum()) += product(filter_panel.tap(t), stages.image_panel(t.x, x, y, n, t.y, t.z));
      stages.reduction = t;
    }
    (*phase.output)(c, x, y, n) = stored(filter_panel.sum_of_result());

    const int taps_x = phase.taps_x, taps_y = phase.taps_y;
    set_panel_size(
        &stages, [taps_x](int w) { return w + taps_x - 1; }, [taps_y](int h) { return h + taps_y - 1; });
    stages.taps = taps_x * taps_y;
    stages.filter_rows_are_reduced = true;
    if (on_gpu()) {
      stages.image_contiguous = in_vectors(out_backprop);
    } else if (!fixed()) {
      stages.image_contiguous = out_backprop.dim(0).stride() == 1;
      stages.filter_contiguous = filter.dim(0).stride() == 1;
    }
  }

  Var k{"k"}, c{"c"}, s{"s"}, r{"r"}, x{"x"}, y{"y"}, n{"n"};
  Func gradient{"gradient"};
  std::vector<Output<Buffer<void, 4>> *> in_backprop;
  std::vector<Phase> phases;
};

}  // namespace convgrad

#endif  // CONVGRAD_GENERATORS_BACKPROP_INPUT_H
