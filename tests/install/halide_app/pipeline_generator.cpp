// An app's own Halide code: parallel, with heap scratch, so that it uses its runtime's thread pool and allocator.
#include <Halide.h>

class Blur : public Halide::Generator<Blur> {
 public:
  Input<Halide::Buffer<float, 2>> input{"input"};
  Output<Halide::Buffer<float, 2>> output{"output"};

  void generate() {
    padded_ = Halide::BoundaryConditions::repeat_edge(input);
    rows_(x_, y_) = padded_(x_ - 1, y_) + padded_(x_, y_) + padded_(x_ + 1, y_);
    output(x_, y_) = rows_(x_, y_ - 1) + rows_(x_, y_) + rows_(x_, y_ + 1);
  }
  void schedule() {
    output.parallel(y_);
    rows_.compute_root().parallel(y_);
  }

 private:
  Halide::Var x_{"x"}, y_{"y"};
  Halide::Func padded_{"padded"}, rows_{"rows"};
};

HALIDE_REGISTER_GENERATOR(Blur, blur)
