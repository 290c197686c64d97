// Twenty steps of gradient descent on one convolution: forward, loss, both gradients, filter -= rate * gradient.
// The filter learns to do what a hidden filter does. The loss has to fall at each step, and each step's gradients are
// checked: the output is linear in the input and in the filter, so the three sums of products below are one number.
//
//   sum(out_backprop * output) = sum(d_input * input) = sum(d_filter * filter)
//
// Exits with 0 if all of that holds.
#include "tensor.h"

namespace {

constexpr int kSteps = 20;
constexpr float kRate = 0.5f;

// A program that trains makes its plans once: all arguments are checked and a kernel is chosen here, and a run with a
// workspace of its own then allocates nothing.
class Plan {
 public:
  Plan(convgrad_op op, const convgrad_conv2d_attrs &attrs, const convgrad_tensor &first, const convgrad_tensor &second,
       const convgrad_tensor &result)
      : first_(first.data), second_(second.data), result_(result.data) {
    check(convgrad_plan_create(nullptr, op, &attrs, &first, &second, &result, &plan_));
    const size_t bytes = convgrad_plan_workspace_size(plan_);
    if (bytes != 0) workspace_ = std::aligned_alloc(CONVGRAD_WORKSPACE_ALIGNMENT, bytes);
    std::printf("  %s, %zu bytes of workspace\n", convgrad_plan_kernel(plan_), bytes);
  }
  Plan(const Plan &) = delete;
  Plan &operator=(const Plan &) = delete;
  ~Plan() {
    convgrad_plan_destroy(plan_);
    std::free(workspace_);
  }
  void run() const { check(convgrad_plan_run(plan_, first_, second_, result_, workspace_)); }

 private:
  const void *first_;
  const void *second_;
  void *result_;
  convgrad_plan *plan_ = nullptr;
  void *workspace_ = nullptr;
};

}  // namespace

int main() {
  convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
  attrs.padding = CONVGRAD_SAME;

  std::mt19937 random(1);
  Tensor input = random_tensor({8, 28, 28, 3}, random);
  Tensor hidden_filter = random_tensor({5, 5, 3, 64}, random);
  Tensor filter(hidden_filter.shape);  // zeros
  Tensor output(output_shape(attrs, input, filter));
  Tensor target(output.shape), out_backprop(output.shape), d_input(input.shape), d_filter(filter.shape);

  // What a call left unwritten would show: a sum with a NaN agrees with nothing.
  for (Tensor *result : {&output, &d_input, &d_filter})
    std::fill(result->values.begin(), result->values.end(), std::numeric_limits<float>::quiet_NaN());

  const convgrad_tensor x = input.view(), w = filter.view(), y = output.view(), dy = out_backprop.view();
  const convgrad_tensor dx = d_input.view(), dw = d_filter.view();

  std::printf("convgrad %s\n", convgrad_version());
  const Plan forward(CONVGRAD_OP_CONV2D, attrs, x, w, y);
  const Plan backprop_input(CONVGRAD_OP_CONV2D_BACKPROP_INPUT, attrs, w, dy, dx);
  const Plan backprop_filter(CONVGRAD_OP_CONV2D_BACKPROP_FILTER, attrs, x, dy, dw);

  const convgrad_tensor hidden = hidden_filter.view(), wanted = target.view();
  check(convgrad_conv2d(nullptr, &attrs, &x, &hidden, &wanted));  // without a plan, for a single use

  // loss = half the squared distance to the target, a pixel; d loss / d output = (output - target) / pixels.
  const double pixels = static_cast<double>(output.shape[0] * output.shape[1] * output.shape[2]);
  const auto loss = [&] {
    double sum = 0;
    for (size_t i = 0; i < output.values.size(); ++i) {
      const double difference = static_cast<double>(output.values[i]) - target.values[i];
      out_backprop.values[i] = static_cast<float>(difference / pixels);
      sum += difference * difference;
    }
    return sum / (2 * pixels);
  };

  bool good = true;
  double largest_difference = 0;
  forward.run();
  double before = loss();
  std::printf("before: loss %.6f\n", before);
  for (int step = 1; step <= kSteps; ++step) {
    backprop_input.run();
    backprop_filter.run();

    const double by_output = dot(out_backprop, output), by_input = dot(d_input, input),
                 by_filter = dot(d_filter, filter);
    // The sums cancel in part, so they are compared on the scale of the vectors' lengths, which do not.
    const double scale = std::sqrt(dot(out_backprop, out_backprop) * dot(output, output));
    const double difference = std::max(std::fabs(by_input - by_output), std::fabs(by_filter - by_output));
    const bool agree = difference <= 1e-7 * scale;
    largest_difference = std::max(largest_difference, difference);

    for (size_t i = 0; i < filter.values.size(); ++i) filter.values[i] -= kRate * d_filter.values[i];
    forward.run();
    const double after = loss();
    const bool falls = after < before;
    std::printf("step %2d: loss %.6f%s; sums of products: output %.6f, input %.6f, filter %.6f%s\n", step, after,
                falls ? "" : " DOES NOT FALL", by_output, by_input, by_filter, agree ? "" : " DISAGREE");
    good = good && falls && agree;
    before = after;
  }
  std::printf("%s; largest difference between the sums of products %.2e\n",
              good ? "the loss fell at each step and the gradients agree" : "FAILED", largest_difference);
  return good ? 0 : 1;
}
