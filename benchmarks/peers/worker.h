// A side of the comparison is a process: it reads a request a line from stdin and answers with a line on stdout, both
// JSON. Requests:
//   prepare  make ready one gradient of a layer, run what was prepared before for so many seconds and then the new one,
//            tell how long that first run took, what it needs, and how often the one before was run
//   time     run it for so many seconds after one run that is not counted, tell each run's milliseconds
//   result   write its result to a file
//   forget   free all of it
// A process prepares a gradient in several ways at once: `choice` (of kernels, of layouts) and `format` name the one
// meant. benchmarks/peers/python_worker.py is the same for PyTorch and TensorFlow.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "floats.h"

using Shape = std::array<int64_t, 4>;

struct Problem {
  bool by_input;                // backprop_input, else backprop_filter
  bool nchw;                    // else NHWC; filters are HWIO
  Shape input, filter, output;  // NHWC, HWIO, NHWC whatever the format
  std::array<int64_t, 2> strides, dilations;
  std::array<int64_t, 4> pads;  // top, bottom, left, right
  Floats first, out_backprop;   // first: the filter or the input
  const Shape &result_shape() const { return by_input ? input : filter; }
};

size_t element_count(const Shape &shape);
Shape in_format(const Problem &problem, const Shape &nhwc);  // an image's dimensions in the problem's order

// A gradient that was run. Failures throw std::runtime_error.
class Gradient {
 public:
  virtual ~Gradient() = default;
  virtual void run() = 0;
  virtual Floats result() = 0;
  nlohmann::json facts;  // kernel, first_ms, workspace_bytes and whatever else its side knows
};

class Side {
 public:
  virtual ~Side() = default;
  virtual nlohmann::json hello() = 0;  // name, version, library files
  // `warm_up` computes something else for a while, as the process would in the midst of a network: right before the
  // first run. (Its threads sleep and its CPUs halt while operands are read and filled: docs/measurements/tools.md)
  virtual std::unique_ptr<Gradient> prepare(const std::string &choice, Problem problem,
                                            const std::function<void()> &warm_up) = 0;
  virtual nlohmann::json answer(const nlohmann::json &request);  // to a request of this side alone
};

// Answers until stdin ends.
int serve(Side &side);

Floats read_floats(const std::string &path, size_t count);

class Stopwatch {
 public:
  double milliseconds() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};
