// Both gradients of a network's distinct layers: checked against plain loops on sampled elements, then timed, beside
// what this machine's multiply-add units can do at most. Exits with 0 only if all agreed.
#include <convgrad/convgrad.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "aligned.h"
#include "fma_peak.h"
#include "kernels.h"
#include "layer.h"

namespace {

using Clock = std::chrono::steady_clock;
using Context = std::unique_ptr<convgrad_context, decltype(&convgrad_context_destroy)>;
using Plan = std::unique_ptr<convgrad_plan, decltype(&convgrad_plan_destroy)>;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Options {
  std::string networks, network = "resnet_50", layers, target, dtype = "f32", kernel, json;
  int64_t batch = 4;
  int32_t threads = 1;
  double seconds = 0.3;
};

struct Result {
  std::string layer, op, kernel, problem;  // problem: why it did not run, or what was wrong; "" if all is well
  double best_ms = 0, median_ms = 0, gflops = 0, peak = 0, percent = 0;
  double error = 0;  // the largest of |value - exact| / sum|products|, over the sampled elements
  size_t workspace = 0, runs = 0;
  int64_t checked = 0, count = 0;
  bool skipped = false;  // a forced kernel that cannot compute this layer
};

std::string failure(convgrad_status status) {
  return std::string(convgrad_status_string(status)) + ": " + convgrad_last_error();
}

std::string cpu_brand() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown CPU";
}

// One gradient of one layer: operands of float or double, a plan, and a workspace.
template <typename T>
class Gradient {
 public:
  Gradient(const Layer &layer, convgrad_op op, const convgrad_context *context, std::mt19937 &random)
      : layer_(layer),
        op_(op),
        by_input_(op == CONVGRAD_OP_CONV2D_BACKPROP_INPUT),
        first_(random_values<T>(elements(by_input_ ? layer.filter : layer.input), random)),
        out_backprop_(random_values<T>(elements(layer.output), random)),
        // A result that the library leaves unwritten is seen.
        result_(static_cast<size_t>(elements(result_shape())), std::numeric_limits<T>::quiet_NaN()) {
    const convgrad_conv2d_attrs attrs = layer.problem.attrs();
    const convgrad_dtype dtype = layer.problem.dtype;  // T's
    const convgrad_tensor first = view(by_input_ ? layer.filter : layer.input, dtype, first_.data());
    const convgrad_tensor second = view(layer.output, dtype, out_backprop_.data());
    const convgrad_tensor result = view(result_shape(), dtype, result_.data());
    convgrad_plan *plan = nullptr;
    status_ = convgrad_plan_create(context, op, &attrs, &first, &second, &result, &plan);
    plan_.reset(plan);
    if (status_ != CONVGRAD_OK || workspace_size() == 0) return;
    workspace_.reset(std::aligned_alloc(CONVGRAD_WORKSPACE_ALIGNMENT, workspace_size()));
    if (!workspace_) throw std::bad_alloc();
  }

  convgrad_status status() const { return status_; }
  const char *kernel() const { return convgrad_plan_kernel(plan_.get()); }
  size_t workspace_size() const { return convgrad_plan_workspace_size(plan_.get()); }
  convgrad_status run() {
    return convgrad_plan_run(plan_.get(), first_.data(), out_backprop_.data(), result_.data(), workspace_.get());
  }

  // Compares with plain loops in a wider type; the bound is that of a sum in any order.
  void check(std::mt19937 &random, Result &outcome) const {
    for (const Shape &at : sample_elements(result_shape(), random)) {
      const Element exact = element_at(layer_, op_, first_.data(), out_backprop_.data(), at);
      const double value = result_[static_cast<size_t>(offset(result_shape(), at))];
      const double error = std::fabs(value - exact.value);
      const double bound = static_cast<double>(exact.terms + 2) * std::numeric_limits<T>::epsilon() * exact.magnitude;
      ++outcome.checked;
      if (exact.magnitude > 0) outcome.error = std::max(outcome.error, error / exact.magnitude);
      if (!(error <= bound) && outcome.problem.empty()) {  // not (error > bound): a NaN is wrong too
        char text[200];
        std::snprintf(text, sizeof text, "element [%lld, %lld, %lld, %lld] is %.17g instead of %.17g, bound %.2g",
                      static_cast<long long>(at[0]), static_cast<long long>(at[1]), static_cast<long long>(at[2]),
                      static_cast<long long>(at[3]), value, exact.value, bound);
        outcome.problem = text;
      }
    }
    if (outcome.problem.empty() && std::any_of(result_.begin(), result_.end(), [](T v) { return std::isnan(v); }))
      outcome.problem = "an element was not written";
  }

 private:
  const Shape &result_shape() const { return by_input_ ? layer_.input : layer_.filter; }

  const Layer &layer_;
  convgrad_op op_;
  bool by_input_;
  Aligned<T> first_, out_backprop_, result_;
  convgrad_status status_;
  Plan plan_{nullptr, convgrad_plan_destroy};
  std::unique_ptr<void, decltype(&std::free)> workspace_{nullptr, std::free};
};

// Runs for the time given, measuring the machine's peak before, after and every few runs between, so that both see the
// same clock frequency and the same neighbours.
template <typename T>
void measure(Gradient<T> &gradient, const Options &options, Result &outcome, const Layer &layer) {
  constexpr double kPeakEvery = 0.05;  // seconds
  const convgrad_kernel_info *info = find_kernel(outcome.kernel);
  const std::string target = info != nullptr ? info->target : "";
  const auto measure_peak = [&] {
    const double peak = measure_fma_peak(target, layer.problem.dtype, options.threads);
    outcome.peak = std::max(outcome.peak, peak);
  };
  measure_peak();
  std::vector<double> runs;
  const auto start = Clock::now();
  auto latest_peak = start;
  do {
    const auto before = Clock::now();
    const convgrad_status status = gradient.run();
    runs.push_back(seconds_since(before));
    if (status != CONVGRAD_OK) {
      outcome.problem = failure(status);
      return;
    }
    if (seconds_since(latest_peak) > kPeakEvery) {
      measure_peak();
      latest_peak = Clock::now();
    }
  } while (runs.size() < 3 || seconds_since(start) < options.seconds);
  measure_peak();

  std::sort(runs.begin(), runs.end());
  outcome.runs = runs.size();
  outcome.best_ms = runs.front() * 1e3;
  outcome.median_ms = runs[runs.size() / 2] * 1e3;
  outcome.gflops = useful_flops(layer) / runs.front() * 1e-9;
  if (outcome.peak > 0) outcome.percent = 100 * outcome.gflops / outcome.peak;
}

template <typename T>
Result try_layer(const Layer &layer, convgrad_op op, const convgrad_context *context, const Options &options) {
  Result outcome;
  outcome.layer = layer.name;
  outcome.op = op == CONVGRAD_OP_CONV2D_BACKPROP_INPUT ? "backprop_input" : "backprop_filter";
  outcome.count = layer.count;
  std::mt19937 random(1);
  Gradient<T> gradient(layer, op, context, random);
  if (gradient.status() != CONVGRAD_OK) {
    outcome.problem = failure(gradient.status());
    outcome.skipped = gradient.status() == CONVGRAD_UNSUPPORTED && !options.kernel.empty();
    return outcome;
  }
  outcome.kernel = gradient.kernel();
  outcome.workspace = gradient.workspace_size();
  const convgrad_status status = gradient.run();  // warms up, too
  if (status != CONVGRAD_OK)
    outcome.problem = failure(status);
  else
    gradient.check(random, outcome);
  if (outcome.problem.empty()) measure(gradient, options, outcome, layer);
  return outcome;
}

void print_progress(size_t done, size_t all, const Result &result) {
  const bool terminal = isatty(STDERR_FILENO) != 0;
  char line[300];
  if (result.problem.empty())
    std::snprintf(line, sizeof line, "[%2zu/%zu] %s %s: agrees, %.3f ms", done, all, result.layer.c_str(),
                  result.op.c_str(), result.best_ms);
  else
    std::snprintf(line, sizeof line, "[%2zu/%zu] %s %s: %s", done, all, result.layer.c_str(), result.op.c_str(),
                  result.skipped ? "skipped" : "FAILED");
  // On a terminal one line that changes, in a log a line each.
  if (terminal)
    std::fprintf(stderr, "\r\033[K%s%s", line, done == all ? "\r\033[K" : "");
  else
    std::fprintf(stderr, "%s\n", line);
}

std::string percent_text(const Result &result) {
  if (result.peak == 0) return "-";  // no loop that measures the peak of this target
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", result.percent);
  return text;
}

void print_table(const std::vector<Result> &results) {
  size_t layer_width = 5, kernel_width = 6;
  for (const Result &result : results) {
    layer_width = std::max(layer_width, result.layer.size());
    kernel_width = std::max(kernel_width, result.kernel.size());
  }
  const int layer = static_cast<int>(layer_width), kernel = static_cast<int>(kernel_width);
  std::printf("\n%-*s  %-15s  %-*s  %9s  %9s  %8s  %9s  %13s\n", layer, "layer", "op", kernel, "kernel", "ms", "median",
              "GFLOP/s", "% of peak", "largest error");
  for (const Result &result : results) {
    std::printf("%-*s  %-15s  ", layer, result.layer.c_str(), result.op.c_str());
    if (!result.problem.empty())
      std::printf("%s: %s\n", result.skipped ? "skipped" : "FAILED", result.problem.c_str());
    else
      std::printf("%-*s  %9.3f  %9.3f  %8.1f  %9s  %13.1e\n", kernel, result.kernel.c_str(), result.best_ms,
                  result.median_ms, result.gflops, percent_text(result).c_str(), result.error);
  }
}

void write_json(const Options &options, const std::string &cpu, const std::vector<Result> &results) {
  nlohmann::json document = {{"cpu", cpu},
                             {"convgrad", convgrad_version()},
                             {"network", options.network},
                             {"dtype", options.dtype},
                             {"batch", options.batch},
                             {"threads", options.threads},
                             {"results", nlohmann::json::array()}};
  for (const Result &r : results) {
    const char *verdict = r.problem.empty() ? "ok" : r.skipped ? "skipped" : "failed";
    document["results"].push_back({{"layer", r.layer},
                                   {"op", r.op},
                                   {"count", r.count},
                                   {"verdict", verdict},
                                   {"problem", r.problem},
                                   {"kernel", r.kernel},
                                   {"best_ms", r.best_ms},
                                   {"median_ms", r.median_ms},
                                   {"runs", r.runs},
                                   {"gflops", r.gflops},
                                   {"fma_peak_gflops", r.peak},
                                   {"percent_of_fma_peak", r.percent},
                                   {"largest_error", r.error},
                                   {"elements_checked", r.checked},
                                   {"workspace_bytes", r.workspace}});
  }
  std::ofstream file(options.json);
  file << document.dump(1) << "\n";
  if (!file.flush()) throw std::runtime_error("cannot write " + options.json);
}

// True if something ran and all of it agreed.
bool summarize(const std::vector<Result> &results, const Options &options) {
  size_t agreed = 0, skipped = 0;
  int64_t checked = 0;
  double milliseconds = 0, lowest = std::numeric_limits<double>::infinity(), highest = 0, peak = 0;
  for (const Result &result : results) {
    skipped += result.skipped;
    checked += result.checked;
    if (!result.problem.empty()) continue;
    ++agreed;
    milliseconds += result.best_ms * static_cast<double>(result.count);
    if (result.peak > 0) {
      lowest = std::min(lowest, result.percent);
      highest = std::max(highest, result.percent);
      peak = std::max(peak, result.peak);
    }
  }
  std::printf("\n%zu of %zu gradients agree with plain loops (%lld elements checked)", agreed, results.size() - skipped,
              static_cast<long long>(checked));
  if (skipped != 0) std::printf(", %zu skipped, which the forced kernel cannot compute", skipped);
  if (highest > 0) std::printf("; %.0f to %.0f%% of the FMA peak, at most %.0f GFLOP/s", lowest, highest, peak);
  std::printf("; %.1f ms for these layers, each as often as %s has it\n", milliseconds, options.network.c_str());
  return agreed > 0 && agreed + skipped == results.size();
}

int run(const Options &options) {
  const convgrad_dtype dtype = *convgrad::problems::dtype_of_name(options.dtype);
  expect_kernels_of(dtype);
  convgrad_context_options choices = convgrad_context_options_default();
  choices.num_threads = options.threads;
  if (!options.target.empty()) choices.target = options.target.c_str();
  if (!options.kernel.empty()) choices.kernel = options.kernel.c_str();
  convgrad_context *made = nullptr;
  const convgrad_status status = convgrad_context_create(&choices, &made);
  const Context context(made, convgrad_context_destroy);
  if (status != CONVGRAD_OK) throw std::runtime_error(failure(status));

  std::vector<convgrad_op> ops = {CONVGRAD_OP_CONV2D_BACKPROP_INPUT, CONVGRAD_OP_CONV2D_BACKPROP_FILTER};
  if (!options.kernel.empty()) {  // a kernel belongs to one op
    const convgrad_kernel_info *info = find_kernel(options.kernel);
    ops.erase(std::remove_if(ops.begin(), ops.end(), [&](convgrad_op op) { return info == nullptr || op != info->op; }),
              ops.end());
    if (ops.empty()) throw std::runtime_error(options.kernel + " is not a kernel of a gradient");
  }

  const std::vector<Layer> layers =
      load_layers(options.networks, {options.network, options.layers, options.batch, dtype, CONVGRAD_NHWC});
  const std::string cpu = cpu_brand();
  std::printf("convgrad %s on %s (%u CPUs), %s, NHWC; %s, batch %lld, %d thread%s\n", convgrad_version(), cpu.c_str(),
              std::thread::hardware_concurrency(), dtype == CONVGRAD_FLOAT64 ? "float64" : "float32",
              options.network.c_str(), static_cast<long long>(options.batch), options.threads,
              options.threads == 1 ? "" : "s");
  std::fflush(stdout);

  std::vector<Result> results;
  for (const Layer &layer : layers)
    for (const convgrad_op op : ops) {
      const auto try_it = dtype == CONVGRAD_FLOAT64 ? try_layer<double> : try_layer<float>;
      results.push_back(try_it(layer, op, context.get(), options));
      print_progress(results.size(), layers.size() * ops.size(), results.back());
    }

  print_table(results);
  std::printf(
      "\nms: the best of the runs in %.2g s, packing included; GFLOP/s: of the direct method's multiply-adds that meet "
      "no\n"
      "padding; peak: multiply-adds on registers in the kernel's instruction set, measured beside each row on as many\n"
      "threads; error: of the sum of the products' absolute values.\n",
      options.seconds);
  if (!options.json.empty()) write_json(options, cpu, results);
  return summarize(results, options) ? 0 : 1;
}

}  // namespace

int main(int argc, char **argv) {
  Options options;
  CLI::App app("Checks and times both gradients of a network's convolutions.");
  app.add_option("--networks", options.networks, "the networks.json to read")->required();
  app.add_option("--network", options.network, "the network's name in it")->capture_default_str();
  app.add_option("--batch", options.batch, "images at once")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--threads", options.threads, "threads to use")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--seconds", options.seconds, "how long to time each gradient of each layer")
      ->check(CLI::Range(0.001, 3600.0))
      ->capture_default_str();
  app.add_option("--layers", options.layers, "only the layers with this in their names");
  app.add_option("--target", options.target, "force a target, for example x86_64_avx2");
  app.add_option("--dtype", options.dtype, "the tensors' element type")
      ->check(CLI::IsMember({"f32", "f64"}))
      ->capture_default_str();
  app.add_option("--kernel", options.kernel, "force a kernel; layers that it cannot compute are skipped");
  app.add_option("--json", options.json, "also write the results to this file");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(options);
  } catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
