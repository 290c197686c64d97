#include "worker.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <stdexcept>

namespace {

using nlohmann::json;
using Gradients = std::map<std::string, std::unique_ptr<Gradient>>;

Asked read_asked(const json &request) {
  Asked asked = {};
  static_cast<convgrad::problems::Problem &>(asked) = read_problem(request);
  asked.input = {asked.batch, asked.in_height, asked.in_width, asked.in_channels};
  asked.filter = asked.filter_shape();
  request.at("output").get_to(asked.output);
  request.at("pads").get_to(asked.pads);
  asked.first = read_bytes(request.at("first"), asked.bytes_of(asked.by_input() ? asked.filter : asked.input));
  asked.out_backprop = read_bytes(request.at("out_backprop"), asked.bytes_of(asked.output));
  return asked;
}

json time_runs(Gradient &gradient, double seconds) {
  gradient.run();  // caches and clock as after a run of its own
  std::vector<double> runs;
  const Stopwatch all;
  do {
    const Stopwatch one;
    gradient.run();
    runs.push_back(one.milliseconds());
  } while (all.milliseconds() < seconds * 1e3);
  return {{"runs", runs}};
}

void write_bytes(const std::string &path, const Bytes &values) {
  std::ofstream file(path, std::ios::binary);
  file.write(values.data(), static_cast<std::streamsize>(values.size()));
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

json answer(Side &side, Gradients &gradients, const json &request) {
  const std::string what = request.at("do");
  if (what == "forget") {
    gradients.clear();
    return json::object();
  }
  if (what != "prepare" && what != "time" && what != "result") return side.answer(request);
  const std::string choice = request.at("choice"), format = request.at("format");
  std::unique_ptr<Gradient> &gradient = gradients[choice + " " + format];
  if (what == "prepare") {
    json warm_ups = json::array();
    gradient = side.prepare(choice, read_asked(request), [&] {
      if (gradient) warm_ups.push_back(time_runs(*gradient, request.at("warm_up_seconds")).at("runs").size());
    });
    json facts = gradient->facts;
    facts["warm_ups"] = warm_ups;  // how many runs each was
    return facts;
  }
  if (!gradient) throw std::runtime_error("nothing is prepared as " + choice + " " + format);
  if (what == "time") return time_runs(*gradient, request.at("seconds"));
  write_bytes(request.at("path"), gradient->result());
  return json::object();
}

}  // namespace

size_t Asked::bytes_of(const Shape &shape) const {
  return static_cast<size_t>(shape[0] * shape[1] * shape[2] * shape[3] * convgrad::problems::dtype_info(dtype).bytes);
}

convgrad::problems::Problem read_problem(const json &request) {
  std::string error;
  const auto problem = convgrad::problems::parse_problem(request.at("problem"), &error);
  if (!problem) throw std::runtime_error(error);
  return *problem;
}

Bytes read_bytes(const std::string &path, size_t count) {
  Bytes values(count);
  std::ifstream file(path, std::ios::binary);
  if (!file.read(values.data(), static_cast<std::streamsize>(count)))
    throw std::runtime_error("cannot read " + std::to_string(count) + " bytes from " + path);
  return values;
}

void make_unwritten(Bytes *values) { std::fill(values->begin(), values->end(), '\xff'); }

json Side::answer(const json &request) { throw std::runtime_error("no such request: " + request.dump()); }

int serve(Side &side) {
  Gradients gradients;
  std::cout << side.hello().dump() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    json reply;
    try {
      reply = answer(side, gradients, json::parse(line));
    } catch (const std::exception &error) {
      reply = {{"error", error.what()}};
    }
    std::cout << reply.dump() << std::endl;
  }
  return 0;
}
