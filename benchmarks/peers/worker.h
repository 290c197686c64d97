// A side of the comparison is a process: it reads a request a line from stdin and answers with a line on stdout, both
// JSON. Requests:
//   prepare  make ready one gradient of a layer, run what was prepared before for so many seconds and then the new one,
//            tell how long that first run took, what it needs, and how often the one before was run
//   time     run it for so many seconds after one run that is not counted, tell each run's milliseconds
//   result   write its result to a file
//   forget   free all of it
// A problem is told by its text (problem/problem.h), with the output's sizes and the padding as the library places it
// beside; operands and results are files of what lies in memory.
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

#include "aligned.h"
#include "problem/problem.h"

using convgrad::problems::Shape;
using Bytes = Aligned<char>;

// A gradient that is asked for.
struct Asked : convgrad::problems::Problem {
  Shape input, filter, output;  // NHWC, HWIO, NHWC whatever the format
  std::array<int64_t, 4> pads;  // top, bottom, left, right
  Bytes first, out_backprop;    // first: the filter or the input
  bool by_input() const { return op == CONVGRAD_OP_CONV2D_BACKPROP_INPUT; }
  bool nchw() const { return data_format == CONVGRAD_NCHW; }
  size_t bytes_of(const Shape &shape) const;
  size_t result_bytes() const { return bytes_of(by_input() ? input : filter); }
};

// Of a request's text. Throws std::runtime_error where that is none.
convgrad::problems::Problem read_problem(const nlohmann::json &request);

// A gradient that was run. Failures throw std::runtime_error.
class Gradient {
 public:
  virtual ~Gradient() = default;
  virtual void run() = 0;
  virtual Bytes result() = 0;
  nlohmann::json facts;  // kernel, first_ms, workspace_bytes and whatever else its side knows
};

class Side {
 public:
  virtual ~Side() = default;
  virtual nlohmann::json hello() = 0;  // name, version, library files
  // `warm_up` computes something else for a while, as the process would in the midst of a network: right before the
  // first run. (Its threads sleep and its CPUs halt while operands are read and filled: docs/measurements/tools.md)
  virtual std::unique_ptr<Gradient> prepare(const std::string &choice, Asked asked,
                                            const std::function<void()> &warm_up) = 0;
  virtual nlohmann::json answer(const nlohmann::json &request);  // to a request of this side alone
};

// Answers until stdin ends.
int serve(Side &side);

Bytes read_bytes(const std::string &path, size_t count);

// Each element is a NaN, of whatever type: one that is left unwritten is seen.
void make_unwritten(Bytes *values);

class Stopwatch {
 public:
  double milliseconds() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};
