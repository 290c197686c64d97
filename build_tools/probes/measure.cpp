// usage: convgrad_measure TARGET THREADS SECONDS ROUNDS <spec
//        convgrad_measure --facts <spec
//
// Checks and times kernels that are compiled one by one, for build_tools/tune. Reads
//   problem conv2d_backprop_filter f32 n2 h7 w9 c5 r3x3 k4 s2x1 d1x1 p1,0,1,1 g1 NHWC
//   kernel LIBRARY NAME FACT=VALUE...
// and any number of further kernels: the problem (problem/problem.h has the form), a shared library that holds the
// kernel's object, and what the runtime's table says of it (kernel_facts.h). With --facts it only compares these with
// the table's, which kernels of the library have to agree with, and prints those that do not.
// Each kernel is first checked, at some elements, against plain sums in a wider type; then they are timed in turns, so
// much time for each in so many rounds. A kernel that hands out fewer tasks than the first one, counted up to 64, or
// such as threads share less evenly, is refused: what it gains on one core it would lose on more. Prints one line of
// JSON:
//   {"flops", "peak_gflops", "normalized": sizes as rows compare them, "kernels": [...]}
// with {"name", "error": of the largest value, "tasks", "seconds": one a run} for each kernel, or
// {"name", "refused": why}, or {"name", "wrong": the error}.
// Exit status 2: the problem or an argument is not as it should be.
#include <dlfcn.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <deque>
#include <iostream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>

#include "aligned.h"
#include "asked.h"
#include "context.h"
#include "fma_peak.h"
#include "kernel_facts.h"
#include "layer.h"
#include "prepared_call.h"
#include "task_counter.h"

namespace {

using namespace convgrad;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

// Of the largest value: 1e-3 of floats. Winograd kernels round most: their own tests bound them more tightly.
template <typename T>
constexpr double kMostError = 8192.0 * std::numeric_limits<T>::epsilon();

[[noreturn]] void die(const std::string &text) {
  std::cerr << "convgrad_measure: " << text << "\n";
  exit(2);
}

struct Candidate {
  std::string name;
  KernelFacts facts;
  Kernel kernel = {};
  std::string refused;
  std::vector<double> seconds;
  double error = 0;
  int64_t tasks = 0;
};

Candidate read_kernel(std::istream &stream, std::string *library) {
  Candidate candidate;
  std::string text;
  stream >> *library >> candidate.name;
  if (!stream) die("a kernel needs a library and a name");
  if (!read_facts(stream, &candidate.facts, &text)) die(candidate.name + ": " + text);
  return candidate;
}

// Once it stays where it is.
void load(const std::string &library, const Target &target, Candidate *loaded) {
  Candidate &candidate = *loaded;
  Kernel &kernel = candidate.kernel;
  kernel = candidate.facts.kernel;
  kernel.name = candidate.name.c_str();
  kernel.algorithm = candidate.facts.algorithm.c_str();
  kernel.target = &target;
  void *handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) die(dlerror());
  kernel.run =
      reinterpret_cast<int (*)(void **)>(dlsym(handle, ("convgrad_kernel_" + candidate.name + "_argv").c_str()));
  if (kernel.run == nullptr) die(dlerror());
}

// What of the spec's kernels the tables say otherwise.
int compare_facts() {
  int count = 0, wrong = 0;
  for (std::string line; std::getline(std::cin, line); ++count) {
    std::istringstream stream(line);
    std::string word, library;
    stream >> word;
    if (word != "kernel") die("expected a kernel, not " + word);
    const Candidate candidate = read_kernel(stream, &library);
    const std::string text = differences(candidate.name, candidate.facts);
    if (text.empty()) continue;
    std::cout << candidate.name << ":" << text << "\n";
    ++wrong;
  }
  std::cout << count << " kernels, " << wrong << " differ from the tables\n";
  return wrong == 0 ? 0 : 1;
}

json sizes_of(const Normalized &problem) {
  json sizes;
#define CONVGRAD_SIZE(name, value) sizes[#name] = value;
#include "sizes.inc"
#undef CONVGRAD_SIZE
  return sizes;
}

struct Measuring {
  const char *target;
  int threads, rounds;
  double seconds;
  convgrad_context *context, *counting;
  TaskCounter *counter;  // of `counting`
};

template <typename T>
void measure(const Measuring &settings, const Asked &asked, std::deque<Candidate> &candidates) {
  const Op *const op = asked.op;
  const Problem &problem = asked.problem;
  const Layer layer = make_layer(asked.given, std::array<int64_t, 2>{static_cast<int64_t>(problem.axis[HEIGHT].before),
                                                                     static_cast<int64_t>(problem.axis[WIDTH].before)});
  const Shape shape_of_role[3] = {layer.input, layer.filter, layer.output};
  std::mt19937 random(1);
  Aligned<T> data[3];
  for (int i = 0; i < 2; ++i) data[i] = random_values<T>(elements(shape_of_role[op->info.role[i]]), random);
  const Shape result_shape = shape_of_role[op->info.role[2]];
  data[2].resize(static_cast<size_t>(elements(result_shape)));

  Text reason;
  const Normalized normalized = normalize(problem);
  if (!normalized.run || !fits_int32(normalized, op->info, &reason)) die("nothing that a kernel computes");
  std::deque<PreparedCall> calls;
  std::vector<std::vector<char>> workspaces;
  for (Candidate &candidate : candidates) {
    Text refused;
    PreparedCall call;
    call.op = &op->info;
    call.settings = settings.context->settings;
    call.problem = problem;
    call.normalized = normalized;
    call.kernel = nullptr;
    workspaces.emplace_back();
    if (!accepts(candidate.kernel, normalized, &refused)) {
      candidate.refused = refused.c_str();
      calls.push_back(call);
      continue;
    }
    bind_kernel(candidate.kernel, &call);
    workspaces.back().resize(workspace_size(call) + CONVGRAD_WORKSPACE_ALIGNMENT);
    calls.push_back(call);
  }
  const void *pointers[3] = {data[0].data(), data[1].data(), data[2].data()};
  // By the fastest of a few runs: the first one's loops wait for memory, and any may be disturbed.
  const auto count_tasks = [&](size_t i) {
    PreparedCall call = calls[i];
    call.settings = settings.counting->settings;
    bind_kernel(candidates[i].kernel, &call);
    call.pieces.slices = {};  // the kernel's own tasks: slices repeat some work
    const size_t bytes = workspace_size(call);
    const std::unique_ptr<void, decltype(&free)> workspace(
        bytes == 0 ? nullptr : aligned_alloc(CONVGRAD_WORKSPACE_ALIGNMENT, bytes), free);
    auto fastest = Clock::duration::max();
    for (int repeat = 0; repeat < 4; ++repeat) {
      const auto start = Clock::now();
      settings.counter->reset();
      if (run_call(call, pointers, workspace.get()) != CONVGRAD_OK) {
        candidates[i].refused = convgrad_last_error();
        return;
      }
      const int64_t tasks = settings.counter->tasks();
      const auto spent = Clock::now() - start;
      if (spent < fastest) candidates[i].tasks = tasks;
      fastest = std::min(fastest, spent);
    }
  };
  const auto run = [&](size_t i) {
    uintptr_t workspace = reinterpret_cast<uintptr_t>(workspaces[i].data());
    workspace +=
        (CONVGRAD_WORKSPACE_ALIGNMENT - workspace % CONVGRAD_WORKSPACE_ALIGNMENT) % CONVGRAD_WORKSPACE_ALIGNMENT;
    if (run_call(calls[i], pointers, reinterpret_cast<void *>(workspace)) != CONVGRAD_OK) {
      candidates[i].refused = convgrad_last_error();
    }
  };

  const std::set<Shape> samples = sample_elements(result_shape, random);
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (!candidates[i].refused.empty()) continue;
    std::fill(data[2].begin(), data[2].end(), std::numeric_limits<T>::quiet_NaN());
    run(i);
    double largest = 0, error = 0;
    for (const Shape &at : samples) {
      const double expected = element_at(layer, op->info.op, data[0].data(), data[1].data(), at).value;
      const int64_t place =
          op->info.result() == FILTER ? offset(result_shape, at) : layer.offset_in_image(result_shape, at);
      const double off = std::fabs(data[2][static_cast<size_t>(place)] - expected);
      largest = std::max(largest, std::fabs(expected));
      if (!(off <= error)) error = off;
    }
    candidates[i].error = error / std::max(largest, 1e-30);
    count_tasks(i);
    const int64_t tasks = candidates[i].tasks, tasks_of_first = candidates[0].tasks;
    if (candidates[i].refused.empty() && (tasks < tasks_of_first || !as_even(tasks, tasks_of_first))) {
      candidates[i].refused = "it has " + std::to_string(tasks) + " task(s), the first kernel " +
                              std::to_string(tasks_of_first) +
                              (tasks < tasks_of_first ? "" : ", which threads share more evenly");
    }
  }
  for (int round = 0; round < settings.rounds; ++round) {
    for (size_t i = 0; i < candidates.size(); ++i) {
      Candidate &candidate = candidates[i];
      if (!candidate.refused.empty() || !(candidate.error <= kMostError<T>)) continue;
      run(i);  // what the one before left in the caches is not this one's
      double spent = 0;
      while (spent < settings.seconds / settings.rounds) {
        const auto start = Clock::now();
        run(i);
        candidate.seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
        spent += candidate.seconds.back();
      }
    }
  }

  json kernels = json::array();
  for (const Candidate &candidate : candidates) {
    json entry = {{"name", candidate.name}};
    if (!candidate.refused.empty()) {
      entry["refused"] = candidate.refused;
    } else if (!(candidate.error <= kMostError<T>)) {
      entry["wrong"] = std::to_string(candidate.error);
    } else {
      entry["error"] = candidate.error;
      entry["tasks"] = candidate.tasks;
      entry["seconds"] = candidate.seconds;
    }
    kernels.push_back(entry);
  }
  std::cout << json{{"flops", useful_flops(layer)},
                    {"peak_gflops", measure_fma_peak(settings.target, asked.given.dtype, settings.threads)},
                    {"normalized", sizes_of(normalized)},
                    {"kernels", kernels}}
                   .dump()
            << "\n";
}

}  // namespace

int main(int count, char **arguments) {
  if (count == 2 && strcmp(arguments[1], "--facts") == 0) return compare_facts();
  if (count != 5) die("usage: convgrad_measure TARGET THREADS SECONDS ROUNDS <spec");
  const Target *target = find_target(arguments[1]);
  if (target == nullptr) die(std::string("no target ") + arguments[1]);
  Text lacking;
  if (!usable(*target, this_machine(), &lacking)) die(lacking.c_str());
  const int threads = atoi(arguments[2]), rounds = atoi(arguments[4]);
  const double seconds = atof(arguments[3]);
  if (threads < 1 || rounds < 1 || !(seconds > 0)) die("threads, seconds and rounds are to be above 0");

  convgrad_context_options options = convgrad_context_options_default();
  options.num_threads = threads;
  convgrad_context *context = nullptr;
  if (convgrad_context_create(&options, &context) != CONVGRAD_OK) die(convgrad_last_error());

  TaskCounter counter;
  counter.use_in(&options);
  convgrad_context *counting = nullptr;
  if (convgrad_context_create(&options, &counting) != CONVGRAD_OK) die(convgrad_last_error());

  Asked asked;
  std::string text;
  std::deque<Candidate> candidates;  // kernels' names stay where they are
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream stream(line);
    std::string word;
    stream >> word;
    if (word == "problem") {
      std::getline(stream, word);
      if (!ask(word, &asked, &text)) die(text);
    } else if (word == "kernel") {
      std::string library;
      candidates.push_back(read_kernel(stream, &library));
      load(library, *target, &candidates.back());
    } else {
      die("expected problem or kernel, not " + word);
    }
  }
  if (asked.op == nullptr || candidates.empty()) die("expected a problem and kernels");
  const Measuring settings = {arguments[1], threads, rounds, seconds, context, counting, &counter};
  switch (asked.given.dtype) {
    case CONVGRAD_FLOAT32:
      measure<float>(settings, asked, candidates);
      break;
    case CONVGRAD_FLOAT64:
      measure<double>(settings, asked, candidates);
      break;
    default:
      die(std::string("there are no plain sums of ") + problems::dtype_info(asked.given.dtype).name);
  }
  convgrad_context_destroy(counting);
  convgrad_context_destroy(context);
  return 0;
}
