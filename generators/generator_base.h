// What the generators of the family have in common: their parameters and the zeros around an image.
#ifndef CONVGRAD_GENERATORS_GENERATOR_BASE_H
#define CONVGRAD_GENERATORS_GENERATOR_BASE_H

#include <Halide.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "generators/element_type.h"
#include "lowering/gpu_offsets.h"
#include "lowering/launch_plan.h"
#include "lowering/scratch_size.h"
#include "lowering/spread_prefetches.h"
#include "lowering/thread_registers.h"
#include "schedules/schedule.h"

namespace convgrad {

// What a generator that is a template names of its base.
#define CONVGRAD_GENERATOR_NAMES(Generator)                                                                         \
  using Base = Conv2dGenerator<Generator<Family>, Family>;                                                          \
  using Expr = Halide::Expr;                                                                                        \
  using Func = Halide::Func;                                                                                        \
  using RDom = Halide::RDom;                                                                                        \
  using Var = Halide::Var;                                                                                          \
  template <typename T>                                                                                             \
  using Input = typename Base::template Input<T>;                                                                   \
  template <typename T>                                                                                             \
  using Output = typename Base::template Output<T>;                                                                 \
  template <typename T, int D>                                                                                      \
  using Buffer = typename Base::template Buffer<T, D>;                                                              \
  using Base::channels_repeated, Base::configure_offsets, Base::configure_types, Base::filter_height,               \
      Base::filter_width, Base::finish_schedule, Base::fixed, Base::in_vectors, Base::in_whole_panels, Base::lanes, \
      Base::on_gpu, Base::one_tap, Base::packed_filter_channels, Base::padded, Base::params, Base::prefetch_of,     \
      Base::product, Base::set_filter_layout, Base::set_gradient_layout, Base::set_layout, Base::set_panel_size,    \
      Base::set_panel_under_filter, Base::storage, Base::stored, Base::stride_height, Base::stride_width,           \
      Base::taps_of_phase, Base::unpacked, Base::zero, Base::zero_outside;

// `Family`: the kernel family (schedules/families/), whose numbers are the generator's parameters.
template <typename Derived, typename Family>
class Conv2dGenerator : public Halide::Generator<Derived> {
 public:
  typename Family::GeneratorParams numbers;
  Halide::GeneratorParam<std::string> dtype{"dtype", "f32"};  // of runtime/dtypes.inc
  // Of a fixed filter; 0: given at run time.
  Halide::GeneratorParam<int> filter_height{"filter_height", 0, 0, 64};
  Halide::GeneratorParam<int> filter_width{"filter_width", 0, 0, 64};
  Halide::GeneratorParam<int> stride_height{"stride_height", 0, 0, 64};
  Halide::GeneratorParam<int> stride_width{"stride_width", 0, 0, 64};
  Halide::GeneratorParam<int> vector_bytes{"vector_bytes", 16, 4, 1024};
  Halide::GeneratorParam<std::string> kernel_name{"kernel_name", ""};
  Halide::GeneratorParam<std::string> scratch_file{"scratch_file", ""};  // where to say how much scratch a task needs
  Halide::GeneratorParam<std::string> launch_file{"launch_file", ""};    // and what a GPU's launches need

 protected:
  static constexpr bool fixed() { return Family::fixed; }  // filter and stride are constants
  int lanes() const { return vector_bytes / storage().bytes(); }
  bool on_gpu() const { return this->get_target().has_gpu_feature(); }

  // Elements as they lie in memory, and what sums are of.
  Halide::Type storage() const { return ElementType::named(dtype).storage; }
  Halide::Type accumulator() const { return ElementType::named(dtype).accumulator; }
  Halide::Expr zero() const { return Halide::Internal::make_zero(storage()); }
  Halide::Expr product(const Halide::Expr &a, const Halide::Expr &b) const {
    return cast(accumulator(), a) * cast(accumulator(), b);
  }
  Halide::Expr stored(const Halide::Expr &sum) const { return cast(storage(), sum); }

  // Called in configure().
  template <typename... Buffers>
  void configure_types(Buffers &...buffers) const {
    (buffers.set_type(storage()), ...);
  }

  // The family's numbers with what its rules know beside them. Rows are checked when the build is configured; the rules
  // here are for those who run a generator by hand.
  typename Family::Params params() const {
    typename Family::Params params = numbers.numbers();
    params.filter_height = filter_height, params.filter_width = filter_width;
    params.stride_height = stride_height, params.stride_width = stride_width;
    params.lanes = lanes(), params.bytes = storage().bytes();
    const char *broken_rule = params.broken_rule();
    _halide_user_assert(broken_rule == nullptr) << broken_rule;
    return params;
  }

  // As the family's fact of that name; 0: its filter is not packed whole.
  static int packed_filter_channels(const typename Family::Params &params) {
    return static_cast<int>(params.fact("packed_filter_channels"));
  }

  // Panels on a GPU are whole, which spares the innermost loop its conditions: what they hold beyond a tensor is zero.
  Halide::Expr in_whole_panels(const Halide::Expr &extent, int panel) const {
    return on_gpu() ? (extent + panel - 1) / panel * panel : extent;
  }

  // Whether a tensor's channels are whole vectors that lie side by side.
  template <typename Buffer>
  Halide::Expr in_vectors(const Buffer &buffer) const {
    const Halide::Expr channels = buffer.dim(0).extent();
    const Halide::Expr whole = channels % lanes() == 0 && channels > lanes() - 1;
    return fixed() ? whole : whole && buffer.dim(0).stride() == 1;
  }

  // What fills a panel on a GPU: the tensor, and zero outside of all its dimensions. Where channels come in whole
  // vectors, all lanes of one are inside or none, and they are one load.
  template <typename Buffer>
  Halide::Func padded(Buffer &buffer) const {
    const std::vector<Halide::Var> at = {Halide::Var("c"), Halide::Var("x"), Halide::Var("y"), Halide::Var("n")};
    const Halide::Expr channels = buffer.dim(0).extent(), whole = in_vectors(buffer), first = at[0] / lanes() * lanes();
    std::vector<Halide::Expr> read = {
        select(whole, max(min(first, channels - lanes()), 0) + min(at[0] % lanes(), channels - 1),
               clamp(at[0], 0, channels - 1))};
    Halide::Expr inside = select(whole, first, at[0]) < channels;
    for (int d = 1; d < 4; d++) {
      const Halide::Expr least = buffer.dim(d).min(), most = least + buffer.dim(d).extent() - 1;
      inside = inside && at[d] >= least && at[d] <= most;
      read.push_back(clamp(at[d], least, most));
    }
    Halide::Func result("padded");
    result(at) = select(inside, buffer(read), zero());
    return result;
  }

  // Called in configure() with all buffers, inputs first.
  void configure_offsets(const std::vector<std::string> &buffers) {
    if (!this->get_target().has_feature(Halide::Target::OpenCL)) return;
    buffers_with_offset_ = buffers;
    for (const std::string &buffer : buffers) this->template add_input<int32_t>(offset_of(buffer));
  }

  // How many of a filter's taps along an axis meet the input's rows of a phase of the stride.
  static int taps_of_phase(int taps, int stride, int phase) { return (taps - phase + stride - 1) / stride; }

  // A direct panel is the piece of the image under a block of outputs; under a filter of one tap it is just those
  // pixels that the stride picks.
  static bool one_tap(int taps) { return taps == 1; }
  static int panel_extent(int outputs, int stride, int taps) {
    return one_tap(taps) ? outputs : (outputs - 1) * stride + taps;
  }

  // How large a panel under a block of outputs is: as given for a fixed filter; one of a single tap has the block's own
  // size.
  template <typename Stages>
  void set_panel_size(Stages *stages, std::function<int(int)> width, std::function<int(int)> height) const {
    stages->panel_of_one_tap = !fixed();
    const auto same = [](int outputs) { return outputs; };
    stages->panel_width = fixed() ? std::move(width) : same;
    stages->panel_height = fixed() ? std::move(height) : same;
  }
  template <typename Stages>
  void set_panel_under_filter(Stages *stages) const {
    set_panel_size(
        stages, [this](int w) { return panel_extent(w, stride_width, filter_width); },
        [this](int h) { return panel_extent(h, stride_height, filter_height); });
  }

  template <typename... Buffers>
  Prefetch prefetch_of(Buffers &...buffers) {
    return [this, &buffers...](const std::vector<Halide::Stage> &stages, const Halide::VarOrRVar &loop,
                               const Halide::Func &tile) {
      for (Halide::Stage stage : stages) {
        (stage.prefetch(buffers, loop, loop, 0, Halide::PrefetchBoundStrategy::NonFaulting), ...);
      }
      spread_prefetches(this->get_pipeline(), loop.name(), tile);
    };
  }

  // Kernels for a fixed filter read and write whole vectors of channels, others take every layout.
  template <typename Buffer>
  void set_layout(Buffer &buffer) const {
    buffer.dim(0).set_min(0);
    buffer.dim(3).set_min(0);
    buffer.dim(0).set_stride(fixed() ? Halide::Expr(1) : Halide::Expr());
  }

  template <typename Buffer>
  void set_filter_layout(Buffer &filter) const {
    set_layout(filter);
    filter.dim(1).set_min(0);
    filter.dim(2).set_min(0);
    filter.dim(3).set_min(0);
    if (fixed()) {
      filter.dim(2).set_extent(static_cast<int>(filter_width));
      filter.dim(3).set_extent(static_cast<int>(filter_height));
    }
  }

  // Of out_backprop, whose padding is the input's affair.
  template <typename Buffer>
  void set_gradient_layout(Buffer &out_backprop) const {
    set_layout(out_backprop);
    out_backprop.dim(1).set_min(0);
    out_backprop.dim(2).set_min(0);
  }

  // The tensor, and zero where one of these dimensions leaves it; the others are trusted to stay inside. (Images:
  // bounds inference overestimates a block of several of them.)
  template <typename Buffer>
  Halide::Func zero_outside(Buffer &buffer, const std::vector<int> &dimensions) const {
    Halide::Region bounds(4);
    for (int d : dimensions) {
      bounds[d] = {buffer.dim(d).min(), buffer.dim(d).extent()};
    }
    return Halide::BoundaryConditions::constant_exterior(buffer, zero(), bounds);
  }

  // What fills a panel whose last channels may be beyond the tensor's, where what is computed of those is dropped: some
  // channels of the tensor, and zero outside of it in these other dimensions. Where channels come in whole vectors, so
  // are they read; lane by lane, the vector at the end would be gathered. (The schedule specializes on in_vectors.)
  template <typename Buffer>
  Halide::Func channels_repeated(Buffer &buffer, const std::vector<int> &others) const {
    const Halide::Var c("c"), x("x"), y("y"), n("n");
    const Halide::Expr channels = buffer.dim(0).extent();
    const Halide::Expr vectors = min(likely(c / lanes() * lanes()), channels - lanes()) + c % lanes();
    Halide::Func result("channels_repeated");
    result(c, x, y, n) =
        zero_outside(buffer, others)(select(in_vectors(buffer), vectors, clamp(likely(c), 0, channels - 1)), x, y, n);
    return result;
  }

  // The tensor, for a sum that reads it in place and never beyond its pixels; channels beyond its last are that one.
  template <typename Buffer>
  static Halide::Func unpacked(Buffer &buffer) {
    const Halide::Var c("c"), x("x"), y("y"), n("n");
    Halide::Func result("unpacked");
    result(c, x, y, n) = buffer(min(likely(c), buffer.dim(0).extent() - 1), x, y, n);
    return result;
  }

  // `in_registers`: what a GPU's threads add up (lowering/thread_registers.h). `whole_tensors`: as of
  // write_scratch_size.
  void finish_schedule(const std::vector<Halide::Func> &in_registers,
                       const std::vector<Halide::Func> &whole_tensors = {}) {
    if (on_gpu()) {
      keep_in_registers(this->get_pipeline(), in_registers);
      const bool cuda = this->get_target().has_feature(Halide::Target::CUDA);
      write_launch_plan(this->get_pipeline(), launch_file, cuda ? kCudaLimits : kOpenClLimits);
    }
    if (!buffers_with_offset_.empty()) add_buffer_offsets(this->get_pipeline(), buffers_with_offset_);
    write_scratch_size(this->get_pipeline(), kernel_name, scratch_file, whole_tensors);
  }

 private:
  std::vector<std::string> buffers_with_offset_;
};

}  // namespace convgrad

#endif  // CONVGRAD_GENERATORS_GENERATOR_BASE_H
