// Both gradients beside Halide's own automatic differentiation of conv2d, compiled just in time.
// Links the static library next to Halide's compiler, so it also shows that the two get along in one program.
#include <Halide.h>
#include <convgrad/convgrad.h>
#include <gtest/gtest.h>

#include <array>
#include <iostream>
#include <random>
#include <string>
#include <vector>

namespace {

using Shape = std::array<int64_t, 4>;  // NHWC or HWIO

struct Problem {
  convgrad_conv2d_attrs attrs;
  Shape input, filter, output;
};

// Halide's first dimension is the innermost: an NHWC tensor is indexed (c, w, h, n).
Halide::Buffer<float> make_buffer(const Shape &shape) {
  return Halide::Buffer<float>(static_cast<int>(shape[3]), static_cast<int>(shape[2]), static_cast<int>(shape[1]),
                               static_cast<int>(shape[0]));
}

Halide::Buffer<float> small_integers(const Shape &shape, std::mt19937 &random) {  // so that sums are exact
  Halide::Buffer<float> buffer = make_buffer(shape);
  buffer.for_each_value([&](float &value) { value = static_cast<float>(random() % 9) - 4.0f; });
  return buffer;
}

convgrad_tensor view(const Shape &shape, Halide::Buffer<float> &buffer) {
  convgrad_tensor tensor{};
  tensor.data = buffer.data();
  std::copy(shape.begin(), shape.end(), tensor.shape);
  return tensor;
}

int draw(std::mt19937 &random, int lowest, int highest) {
  return lowest + static_cast<int>(random() % static_cast<unsigned>(highest - lowest + 1));
}

// Explicit padding only: where SAME puts it is compared with TensorFlow.
Problem random_problem(std::mt19937 &random) {
  for (;;) {
    Problem problem;
    problem.attrs = convgrad_conv2d_attrs_default();
    problem.attrs.padding = CONVGRAD_EXPLICIT;
    for (int64_t &stride : problem.attrs.strides) stride = draw(random, 1, 3);
    for (int64_t &dilation : problem.attrs.dilations) dilation = draw(random, 1, 3);
    for (int64_t &pad : problem.attrs.explicit_paddings) pad = draw(random, 0, 5);
    problem.filter = {draw(random, 1, 4), draw(random, 1, 4), draw(random, 1, 9), draw(random, 1, 19)};
    problem.input = {draw(random, 1, 2), draw(random, 1, 9), draw(random, 1, 9), problem.filter[2]};
    const convgrad_status status = convgrad_conv2d_output_shape(&problem.attrs, problem.input.data(),
                                                                problem.filter.data(), problem.output.data());
    // A filter bigger than the padded input has no output that Halide could differentiate.
    if (status == CONVGRAD_OK && problem.output[1] > 0 && problem.output[2] > 0) return problem;
  }
}

std::string describe(const Problem &problem) {
  const auto list = [](const int64_t *values, int count) {
    std::string text = "[";
    for (int i = 0; i < count; ++i) text += (i != 0 ? ", " : "") + std::to_string(values[i]);
    return text + "]";
  };
  return "input " + list(problem.input.data(), 4) + ", filter " + list(problem.filter.data(), 4) + ", strides " +
         list(problem.attrs.strides, 2) + ", dilations " + list(problem.attrs.dilations, 2) + ", pads " +
         list(problem.attrs.explicit_paddings, 4);
}

struct Gradients {
  Halide::Buffer<float> input, filter;
};

Gradients differentiate(const Problem &problem, Halide::Buffer<float> input, Halide::Buffer<float> filter,
                        Halide::Buffer<float> out_backprop) {
  const auto constant = [](int64_t value) { return static_cast<int>(value); };
  const int stride_h = constant(problem.attrs.strides[0]), stride_w = constant(problem.attrs.strides[1]);
  const int dilation_h = constant(problem.attrs.dilations[0]), dilation_w = constant(problem.attrs.dilations[1]);
  const int top = constant(problem.attrs.explicit_paddings[0]), left = constant(problem.attrs.explicit_paddings[2]);

  Halide::Var k("k"), q("q"), p("p"), n("n");
  Halide::Func padded = Halide::BoundaryConditions::constant_exterior(input, 0.0f);
  Halide::RDom taps(0, filter.dim(1).extent(), 0, filter.dim(2).extent(), 0, filter.dim(3).extent(), "taps");
  const Halide::RVar c = taps.x, s = taps.y, r = taps.z;
  Halide::Func output("output");
  output(k, q, p, n) = 0.0f;
  output(k, q, p, n) +=
      padded(c, q * stride_w + s * dilation_w - left, p * stride_h + r * dilation_h - top, n) * filter(k, c, s, r);

  const Halide::Derivative gradient = Halide::propagate_adjoints(output, out_backprop);
  Gradients gradients{make_buffer(problem.input), make_buffer(problem.filter)};
  gradient(input).realize(gradients.input);
  gradient(filter).realize(gradients.filter);
  return gradients;
}

void expect_equal(const Halide::Buffer<float> &ours, const Halide::Buffer<float> &halides, const char *what) {
  int different = 0;
  ours.for_each_element([&](const int *at) {
    if (ours(at) == halides(at) || ++different > 3) return;
    ADD_FAILURE() << what << " [" << at[3] << ", " << at[2] << ", " << at[1] << ", " << at[0] << "] is " << ours(at)
                  << ", by Halide " << halides(at);
  });
  EXPECT_EQ(different, 0) << what;
}

TEST(HalideAutodiff, GradientsAreEqual) {
  constexpr int kProblems = 40;
  constexpr unsigned kSeed = 1;
  std::mt19937 random(kSeed);
  for (int i = 0; i < kProblems; ++i) {
    const Problem problem = random_problem(random);
    SCOPED_TRACE("problem " + std::to_string(i) + " of seed " + std::to_string(kSeed) + ": " + describe(problem));
    Halide::Buffer<float> input = small_integers(problem.input, random);
    Halide::Buffer<float> filter = small_integers(problem.filter, random);
    Halide::Buffer<float> out_backprop = small_integers(problem.output, random);
    Halide::Buffer<float> d_input = make_buffer(problem.input), d_filter = make_buffer(problem.filter);
    d_input.fill(1e9f);  // what is left unwritten is seen
    d_filter.fill(1e9f);

    const convgrad_tensor x = view(problem.input, input), w = view(problem.filter, filter);
    const convgrad_tensor dy = view(problem.output, out_backprop);
    const convgrad_tensor dx = view(problem.input, d_input), dw = view(problem.filter, d_filter);
    ASSERT_EQ(convgrad_conv2d_backprop_input(nullptr, &problem.attrs, &w, &dy, &dx), CONVGRAD_OK)
        << convgrad_last_error();
    ASSERT_EQ(convgrad_conv2d_backprop_filter(nullptr, &problem.attrs, &x, &dy, &dw), CONVGRAD_OK)
        << convgrad_last_error();

    const Gradients halides = differentiate(problem, input, filter, out_backprop);
    expect_equal(d_input, halides.input, "d_input");
    expect_equal(d_filter, halides.filter, "d_filter");
  }
  std::cout << kProblems << " problems compared with Halide's automatic differentiation\n";
}

}  // namespace
