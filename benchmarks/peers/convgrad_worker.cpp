// convgrad's side of the comparison. It also knows the layers, their gradients by plain loops and the machine's peak.
#include <convgrad/convgrad.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <thread>

#include "fma_peak.h"
#include "layer.h"
#include "task_counter.h"
#include "worker.h"

namespace {

using nlohmann::json;
struct DestroyContext {
  void operator()(convgrad_context *context) const { convgrad_context_destroy(context); }
};
using Context = std::unique_ptr<convgrad_context, DestroyContext>;
using Plan = std::unique_ptr<convgrad_plan, decltype(&convgrad_plan_destroy)>;

void check(convgrad_status status) {
  if (status != CONVGRAD_OK)
    throw std::runtime_error(std::string(convgrad_status_string(status)) + ": " + convgrad_last_error());
}

Context make_context(const convgrad_context_options &options) {
  convgrad_context *context = nullptr;
  check(convgrad_context_create(&options, &context));
  return Context(context);
}

convgrad_tensor view(const Problem &problem, const Shape &shape, bool is_filter, Floats &values) {
  convgrad_tensor tensor{};
  tensor.data = values.data();
  const Shape ordered = is_filter ? shape : in_format(problem, shape);
  std::copy(ordered.begin(), ordered.end(), tensor.shape);
  return tensor;
}

class ConvgradGradient final : public Gradient {
 public:
  // counting: a context of `counter`.
  ConvgradGradient(Problem given, const convgrad_context *context, const convgrad_context *counting,
                   TaskCounter *counter, const std::function<void()> &warm_up)
      : problem_(std::move(given)),
        // A result that the library leaves unwritten is seen.
        result_(element_count(problem_.result_shape()), std::numeric_limits<float>::quiet_NaN()) {
    convgrad_conv2d_attrs attrs = convgrad_conv2d_attrs_default();
    std::copy(problem_.strides.begin(), problem_.strides.end(), attrs.strides);
    std::copy(problem_.dilations.begin(), problem_.dilations.end(), attrs.dilations);
    attrs.padding = CONVGRAD_EXPLICIT;
    std::copy(problem_.pads.begin(), problem_.pads.end(), attrs.explicit_paddings);
    attrs.data_format = problem_.nchw ? CONVGRAD_NCHW : CONVGRAD_NHWC;

    const bool by_input = problem_.by_input;
    const convgrad_op op = by_input ? CONVGRAD_OP_CONV2D_BACKPROP_INPUT : CONVGRAD_OP_CONV2D_BACKPROP_FILTER;
    const convgrad_tensor first = view(problem_, by_input ? problem_.filter : problem_.input, by_input, problem_.first);
    const convgrad_tensor second = view(problem_, problem_.output, false, problem_.out_backprop);
    const convgrad_tensor result = view(problem_, problem_.result_shape(), !by_input, result_);

    const auto call = [&](const convgrad_context *with) {
      check((by_input ? convgrad_conv2d_backprop_input : convgrad_conv2d_backprop_filter)(with, &attrs, &first, &second,
                                                                                          &result));
    };
    warm_up();
    const Stopwatch stopwatch;  // what a caller without a plan waits for: choosing, memory and the run
    call(context);
    facts["first_ms"] = stopwatch.milliseconds();

    convgrad_plan *plan = nullptr;
    check(convgrad_plan_create(context, op, &attrs, &first, &second, &result, &plan));
    plan_.reset(plan);
    facts["kernel"] = convgrad_plan_kernel(plan);
    for (size_t i = 0; i < convgrad_kernel_count(); ++i) {
      const convgrad_kernel_info *info = convgrad_kernel_at(i);
      if (facts["kernel"] != info->name) continue;
      facts["target"] = info->target;
      facts["algorithm"] = info->algorithm;
    }
    const size_t bytes = convgrad_plan_workspace_size(plan);
    facts["workspace_bytes"] = bytes;
    if (bytes != 0) {
      workspace_.reset(std::aligned_alloc(CONVGRAD_WORKSPACE_ALIGNMENT, bytes));
      if (!workspace_) throw std::runtime_error("no memory for a workspace of " + std::to_string(bytes) + " bytes");
    }

    facts["fresh_ms"] = time_on_new_tensors(warm_up);

    counter->reset();
    call(counting);
    facts["tasks_of_64"] = counter->tasks();
  }

  void run() override {
    check(convgrad_plan_run(plan_.get(), problem_.first.data(), problem_.out_backprop.data(), result_.data(),
                            workspace_.get()));
  }

  Floats result() override {
    std::fill(result_.begin(), result_.end(), std::numeric_limits<float>::quiet_NaN());
    run();
    return result_;
  }

 private:
  // What a first call is compared with: later runs of the plan on tensors that this thread has just written, and in the
  // midst of other work, as before the first call.
  double time_on_new_tensors(const std::function<void()> &warm_up) {
    const Floats first = problem_.first, out_backprop = problem_.out_backprop;
    std::array<double, 3> milliseconds;
    for (double &one : milliseconds) {
      problem_.first = first;
      problem_.out_backprop = out_backprop;
      std::fill(result_.begin(), result_.end(), std::numeric_limits<float>::quiet_NaN());
      warm_up();
      const Stopwatch stopwatch;
      run();
      one = stopwatch.milliseconds();
    }
    std::sort(milliseconds.begin(), milliseconds.end());
    return milliseconds[1];
  }

  Problem problem_;
  Floats result_;
  Plan plan_{nullptr, convgrad_plan_destroy};
  std::unique_ptr<void, decltype(&std::free)> workspace_{nullptr, std::free};
};

json describe(const Layer &layer) {
  json description = {{"layer", layer.name},         {"input", layer.input},     {"filter", layer.filter},
                      {"output", layer.output},      {"strides", json::array()}, {"dilations", json::array()},
                      {"flops", useful_flops(layer)}};
  std::array<int64_t, 4> pads;
  for (size_t i = 0; i < 2; ++i) {
    description["strides"].push_back(layer.attrs.strides[i]);
    description["dilations"].push_back(layer.attrs.dilations[i]);
    const int64_t extent = (layer.filter[i] - 1) * layer.attrs.dilations[i] + 1;
    const int64_t read = (layer.output[1 + i] - 1) * layer.attrs.strides[i] + extent;
    pads[2 * i] = layer.pads[i];
    pads[2 * i + 1] = std::max<int64_t>(0, read - layer.input[1 + i] - layer.pads[i]);
  }
  description["pads"] = pads;
  return description;
}

// What plain loops in double make of some elements of a gradient.
json exact_elements(const Layer &layer, const json &request) {
  const bool by_input = request.at("op") == "backprop_input";
  const Floats first = read_floats(request.at("first"), element_count(by_input ? layer.filter : layer.input));
  const Floats out_backprop = read_floats(request.at("out_backprop"), element_count(layer.output));
  json places = json::array(), values = json::array(), magnitudes = json::array(), terms = json::array();
  std::mt19937 random(1);
  for (const Shape &at : sample_elements(by_input ? layer.input : layer.filter, random)) {
    const Element exact = by_input ? input_gradient_at(layer, first.data(), out_backprop.data(), at)
                                   : filter_gradient_at(layer, first.data(), out_backprop.data(), at);
    places.push_back(at);
    values.push_back(exact.value);
    magnitudes.push_back(exact.magnitude);
    terms.push_back(exact.terms);
  }
  return {{"places", places}, {"values", values}, {"magnitudes", magnitudes}, {"terms", terms}};
}

// Bytes read and written a second by the best of some copies of memory that no cache holds.
double measure_bandwidth(int threads) {
  constexpr size_t kBytes = size_t{256} << 20;
  constexpr int kCopies = 5;
  const size_t part = kBytes / static_cast<size_t>(threads);
  std::vector<char> from(kBytes, 1), to(kBytes, 2);
  double best = 0;
  for (int copy = 0; copy < kCopies; ++copy) {
    const Stopwatch stopwatch;
    auto work = [&](int thread) {
      const size_t begin = static_cast<size_t>(thread) * part;
      std::memcpy(to.data() + begin, from.data() + begin, part);
    };
    std::vector<std::thread> others;
    for (int thread = 1; thread < threads; ++thread) others.emplace_back(work, thread);
    work(0);
    for (std::thread &other : others) other.join();
    best = std::max(best, 2e-6 * static_cast<double>(part) * threads / stopwatch.milliseconds());
  }
  return best;
}

class Convgrad final : public Side {
 public:
  Convgrad(const std::string &target, int32_t threads) : threads_(threads) {
    for (const bool strict : {false, true}) {
      convgrad_context_options options = convgrad_context_options_default();
      options.num_threads = threads;
      options.strict = strict;
      if (!target.empty()) options.target = target.c_str();
      contexts_[strict] = make_context(options);
      counter_.use_in(&options);
      counting_[strict] = make_context(options);
    }
  }

  json hello() override { return {{"name", "convgrad"}, {"version", convgrad_version()}}; }

  std::unique_ptr<Gradient> prepare(const std::string &choice, Problem problem,
                                    const std::function<void()> &warm_up) override {
    const bool strict = choice == "strict";
    return std::make_unique<ConvgradGradient>(std::move(problem), contexts_[strict].get(), counting_[strict].get(),
                                              &counter_, warm_up);
  }

  json answer(const json &request) override {
    const std::string what = request.at("do");
    if (what == "peak") return {{"gflops", measure_fma_peak(request.at("target"), threads_)}};
    if (what == "bandwidth") return {{"gigabytes_per_second", measure_bandwidth(threads_)}};
    if (what != "describe" && what != "exact") return Side::answer(request);
    const Layer layer = parse_layer(request.at("layer"), request.at("batch"));
    return what == "describe" ? describe(layer) : exact_elements(layer, request);
  }

 private:
  int32_t threads_;
  TaskCounter counter_;
  std::array<Context, 2> contexts_, counting_;  // [strict]
};

}  // namespace

int main(int argc, char **argv) {
  std::string target;
  int32_t threads = 1;
  CLI::App app("convgrad's side of build_tools/bench: requests on stdin, answers on stdout.");
  app.add_option("--target", target, "force a target, for example x86_64_avx2");
  app.add_option("--threads", threads, "threads to use")->check(CLI::Range(1, 1024))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    Convgrad side(target, threads);
    return serve(side);
  } catch (const std::exception &error) {
    std::printf("%s\n", json{{"error", error.what()}}.dump().c_str());
    return 1;
  }
}
