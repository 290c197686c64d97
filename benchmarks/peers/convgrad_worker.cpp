// convgrad's side of the comparison. It also knows the layers, their gradients by plain loops and the machine's peak.
#include <convgrad/convgrad.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <thread>

#include "fma_peak.h"
#include "kernels.h"
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

class ConvgradGradient final : public Gradient {
 public:
  // counting: a context of `counter`.
  ConvgradGradient(Asked given, const convgrad_context *context, const convgrad_context *counting, TaskCounter *counter,
                   const std::function<void()> &warm_up)
      : asked_(std::move(given)), result_(asked_.result_bytes()) {
    make_unwritten(&result_);
    const convgrad_conv2d_attrs attrs = asked_.attrs();
    std::string error;
    const std::optional<convgrad::problems::Shapes> shapes = asked_.shapes(&error);
    if (!shapes) throw std::runtime_error(error);
    const convgrad_op op = asked_.op;
    const convgrad_tensor first = view(shapes->argument(op, 0), asked_.dtype, asked_.first.data());
    const convgrad_tensor second = view(shapes->argument(op, 1), asked_.dtype, asked_.out_backprop.data());
    const convgrad_tensor result = view(shapes->argument(op, 2), asked_.dtype, result_.data());

    const auto call = [&](const convgrad_context *with) {
      check((asked_.by_input() ? convgrad_conv2d_backprop_input : convgrad_conv2d_backprop_filter)(with, &attrs, &first,
                                                                                                   &second, &result));
    };
    warm_up();
    const Stopwatch stopwatch;  // what a caller without a plan waits for: choosing, memory and the run
    call(context);
    facts["first_ms"] = stopwatch.milliseconds();

    convgrad_plan *plan = nullptr;
    check(convgrad_plan_create(context, op, &attrs, &first, &second, &result, &plan));
    plan_.reset(plan);
    facts["kernel"] = convgrad_plan_kernel(plan);
    if (const convgrad_kernel_info *info = find_kernel(convgrad_plan_kernel(plan))) {
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
    check(convgrad_plan_run(plan_.get(), asked_.first.data(), asked_.out_backprop.data(), result_.data(),
                            workspace_.get()));
  }

  Bytes result() override {
    make_unwritten(&result_);
    run();
    return result_;
  }

 private:
  // What a first call is compared with: later runs of the plan on tensors that this thread has just written, and in the
  // midst of other work, as before the first call.
  double time_on_new_tensors(const std::function<void()> &warm_up) {
    const Bytes first = asked_.first, out_backprop = asked_.out_backprop;
    std::array<double, 3> milliseconds;
    for (double &one : milliseconds) {
      asked_.first = first;
      asked_.out_backprop = out_backprop;
      make_unwritten(&result_);
      warm_up();
      const Stopwatch stopwatch;
      run();
      one = stopwatch.milliseconds();
    }
    std::sort(milliseconds.begin(), milliseconds.end());
    return milliseconds[1];
  }

  Asked asked_;
  Bytes result_;
  Plan plan_{nullptr, convgrad_plan_destroy};
  std::unique_ptr<void, decltype(&std::free)> workspace_{nullptr, std::free};
};

// What only the library knows of a layer.
json describe(const Layer &layer) {
  std::array<int64_t, 4> pads;
  for (size_t i = 0; i < 2; ++i) {
    const int64_t extent = (layer.filter[i] - 1) * layer.problem.dilations[i] + 1;
    const int64_t read = (layer.output[1 + i] - 1) * layer.problem.strides[i] + extent;
    pads[2 * i] = layer.pads[i];
    pads[2 * i + 1] = std::max<int64_t>(0, read - layer.input[1 + i] - layer.pads[i]);
  }
  return {{"output", layer.output}, {"pads", pads}, {"flops", useful_flops(layer)}};
}

// What plain loops make of some elements of a gradient of operands in files.
template <typename T>
json exact_elements(const Layer &layer, const json &request) {
  const convgrad_op op = layer.problem.op;
  const Shape &result = op == CONVGRAD_OP_CONV2D_BACKPROP_INPUT ? layer.input : layer.filter;
  const Shape &operand = op == CONVGRAD_OP_CONV2D_BACKPROP_INPUT ? layer.filter : layer.input;
  const Bytes first = read_bytes(request.at("first"), static_cast<size_t>(elements(operand)) * sizeof(T));
  const Bytes second = read_bytes(request.at("out_backprop"), static_cast<size_t>(elements(layer.output)) * sizeof(T));
  json places = json::array(), values = json::array(), magnitudes = json::array(), terms = json::array();
  std::mt19937 random(1);
  for (const Shape &at : sample_elements(result, random)) {
    const Element exact = element_at(layer, op, reinterpret_cast<const T *>(first.data()),
                                     reinterpret_cast<const T *>(second.data()), at);
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
  Convgrad(const std::string &target, convgrad_dtype dtype, int32_t threads) : dtype_(dtype), threads_(threads) {
    expect_kernels_of(dtype);
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

  std::unique_ptr<Gradient> prepare(const std::string &choice, Asked asked,
                                    const std::function<void()> &warm_up) override {
    const bool strict = choice == "strict";
    return std::make_unique<ConvgradGradient>(std::move(asked), contexts_[strict].get(), counting_[strict].get(),
                                              &counter_, warm_up);
  }

  json answer(const json &request) override {
    const std::string what = request.at("do");
    if (what == "peak") return {{"gflops", measure_fma_peak(request.at("target"), dtype_, threads_)}};
    if (what == "bandwidth") return {{"gigabytes_per_second", measure_bandwidth(threads_)}};
    if (what != "describe" && what != "exact") return Side::answer(request);
    const Layer layer = make_layer(read_problem(request));
    if (what == "describe") return describe(layer);
    return layer.problem.dtype == CONVGRAD_FLOAT64 ? exact_elements<double>(layer, request)
                                                   : exact_elements<float>(layer, request);
  }

 private:
  convgrad_dtype dtype_;
  int32_t threads_;
  TaskCounter counter_;
  std::array<Context, 2> contexts_, counting_;  // [strict]
};

}  // namespace

int main(int argc, char **argv) {
  std::string target, dtype = "f32";
  int32_t threads = 1;
  CLI::App app("convgrad's side of build_tools/bench: requests on stdin, answers on stdout.");
  app.add_option("--target", target, "force a target, for example x86_64_avx2");
  app.add_option("--dtype", dtype, "the element type that will be asked for")->capture_default_str();
  app.add_option("--threads", threads, "threads to use")->check(CLI::Range(1, 1024))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    const std::optional<convgrad_dtype> known = convgrad::problems::dtype_of_name(dtype);
    if (!known) throw std::runtime_error("there is no element type " + dtype);
    Convgrad side(target, *known, threads);
    return serve(side);
  } catch (const std::exception &error) {
    std::printf("%s\n", json{{"error", error.what()}}.dump().c_str());
    return 1;
  }
}
