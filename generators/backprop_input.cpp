// dx[n,h,w,c] = sum over r,s,k with p,q whole and inside  w[r,s,c,k] * dy[n, (h+top-r*Dh)/Sh, (w+left-s*Dw)/Sw, k]
//
// A row h with (h + top) mod Sh = a meets only the taps r = a, a + Sh, ... (dilation 1), and columns likewise: phase
// (a, b) of dx is a stride-1 problem of its own with those taps, dx_ab[i, j] = sum over r,s w[a + Sh*r, b + Sw*s] *
// dy[i - r, j - s], which multiplies no structural zero. A phase is an output of its own, a strided view of dx whose
// minimum holds the padding: row h of phase a has the coordinate (h + top - a) / Sh.
//
// The generic algorithm computes one stride-1 problem of any dilation; its caller hands over the phases one by one.
#include "generators/filter_panel.h"
#include "generators/generator_base.h"

namespace convgrad {

class BackpropInput : public Conv2dGenerator<BackpropInput> {
 public:
#define CONVGRAD_IMAGE_PARAM(name, preset, least, most, meaning) GeneratorParam<int> name{#name, preset, least, most};
#include "schedules/schedule_params.inc"

  Input<Buffer<float, 4>> filter{"filter"};              // (k, c, s, r)
  Input<Buffer<float, 4>> out_backprop{"out_backprop"};  // (k, q, p, n)
  Input<int32_t> dilation_w{"dilation_w"}, dilation_h{"dilation_h"};

  void configure() {
    std::vector<std::string> buffers = {"filter", "out_backprop"};
    for (int phase = 0; phase < phases_x() * phases_y(); phase++) {
      buffers.push_back("in_backprop_" + std::to_string(phase));
      in_backprop.push_back(add_output<Buffer<float, 4>>(buffers.back()));  // (c, x, y, n)
    }
    configure_offsets(buffers);
  }

  void generate() {
    gradient = on_gpu()               ? padded(out_backprop)
               : along_reduction != 0 ? zero_outside(out_backprop, {0, 1, 2, 3})
                                      : zero_outside(out_backprop, {1, 2, 3});
    for (int a = 0; a < phases_y(); a++) {
      for (int b = 0; b < phases_x(); b++) {
        Phase phase;
        phase.output = in_backprop[a * phases_x() + b];
        phase.taps_x = direct() ? taps_of_phase(filter_width, stride_width, b) : 0;
        phase.taps_y = direct() ? taps_of_phase(filter_height, stride_height, a) : 0;
        if (direct() && (phase.taps_x == 0 || phase.taps_y == 0)) {
          (*phase.output)(c, x, y, n) = 0.0f;
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
    ImageScheduleParams params;
#define CONVGRAD_IMAGE_PARAM(name, preset, least, most, meaning) params.name = name;
#include "schedules/schedule_params.inc"
    params.lanes = lanes();
    refuse_broken_rule(params.broken_rule());
    for (Phase &phase : phases) {
      set_layout(*phase.output);
      if (phase.stages.sum.defined()) {
        on_gpu() ? schedule_image_on_gpu(phase.stages, params) : schedule_image_on_cpu(phase.stages, params);
      } else {
        on_gpu() ? schedule_zeros_on_gpu(*phase.output) : schedule_zeros_on_cpu(*phase.output, lanes());
      }
    }
    finish_schedule(whole_filter() ? FilterPanel::kName : "");
  }

 private:
  struct Phase {
    Output<Buffer<float, 4>> *output = nullptr;
    int taps_x = 0, taps_y = 0;  // of a direct algorithm
    ImageStages stages;          // their sum is undefined where no tap reaches the phase
  };

  bool whole_filter() const { return one_panel != 0 && along_reduction == 0; }
  int phases_x() const { return direct() ? static_cast<int>(stride_width) : 1; }
  int phases_y() const { return direct() ? static_cast<int>(stride_height) : 1; }

  void define(Phase &phase, int a, int b) {
    ImageStages &stages = phase.stages;
    stages.result = *phase.output;
    stages.sum = Func("sum");
    stages.image_panel = Func("image_panel");
    stages.prefetch = prefetch_of(out_backprop);
    stages.channel = c, stages.reduced = k, stages.x = x, stages.y = y, stages.n = n, stages.s = s, stages.r = r;
    const Expr channels = along_reduction != 0 ? (filter.dim(0).extent() + lanes() - 1) / lanes() * lanes()
                                               : in_whole_panels(filter.dim(0).extent(), block_reduction);
    const Func taps = on_gpu()               ? padded(filter)
                      : along_reduction != 0 ? zero_outside(filter, {0, 1})
                                             : zero_outside(filter, {1});
    const int step_x = direct() ? static_cast<int>(stride_width) : 1;
    const int step_y = direct() ? static_cast<int>(stride_height) : 1;
    const FilterPanel filter_panel(&stages, filter.dim(1).extent(), whole_filter() ? tile_vectors * lanes() : 0,
                                   [&](const Expr &channel, const Expr &reduced, const Expr &s, const Expr &r) {
                                     return taps(reduced, channel, b + step_x * s, a + step_y * r);
                                   });
    if (direct()) {
      RDom t(0, channels, 0, phase.taps_x, 0, phase.taps_y);
      stages.image_panel(k, x, y, n) = gradient(k, x, y, n);
      stages.sum(filter_panel.of_sum()) += filter_panel.tap(t) * stages.image_panel(t.x, x - t.y, y - t.z, n);
      stages.reduction = t;
    } else {
      RDom t(0, channels, 0, filter.dim(2).extent(), 0, filter.dim(3).extent());
      stages.image_panel(k, x, y, n, s, r) = gradient(k, x - s * dilation_w, y - r * dilation_h, n);
      stages.sum(filter_panel.of_sum()) += filter_panel.tap(t) * stages.image_panel(t.x, x, y, n, t.y, t.z);
      stages.reduction = t;
    }
    (*phase.output)(c, x, y, n) = filter_panel.sum_of_result();

    const int taps_x = phase.taps_x, taps_y = phase.taps_y;
    set_panel_size(
        &stages, [taps_x](int w) { return w + taps_x - 1; }, [taps_y](int h) { return h + taps_y - 1; });
    stages.taps = taps_x * taps_y;
    stages.filter_rows_are_reduced = true;
    if (on_gpu()) {
      stages.image_contiguous = in_vectors(out_backprop);
    } else if (!direct()) {
      stages.image_contiguous = out_backprop.dim(0).stride() == 1;
      stages.filter_contiguous = filter.dim(0).stride() == 1;
    }
  }

  Var k{"k"}, c{"c"}, s{"s"}, r{"r"}, x{"x"}, y{"y"}, n{"n"};
  Func gradient{"gradient"};
  std::vector<Output<Buffer<float, 4>> *> in_backprop;
  std::vector<Phase> phases;
};

}  // namespace convgrad

HALIDE_REGISTER_GENERATOR(convgrad::BackpropInput, conv2d_backprop_input)
