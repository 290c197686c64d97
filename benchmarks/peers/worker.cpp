#include "worker.h"

#include <fstream>
#include <iostream>
#include <map>
#include <stdexcept>

namespace {

using nlohmann::json;
using Gradients = std::map<std::string, std::unique_ptr<Gradient>>;

Problem read_problem(const json &request) {
  Problem problem;
  problem.by_input = request.at("op") == "backprop_input";
  problem.nchw = request.at("format") == "NCHW";
  request.at("input").get_to(problem.input);
  request.at("filter").get_to(problem.filter);
  request.at("output").get_to(problem.output);
  request.at("strides").get_to(problem.strides);
  request.at("dilations").get_to(problem.dilations);
  request.at("pads").get_to(problem.pads);
  problem.first = read_floats(request.at("first"), element_count(problem.by_input ? problem.filter : problem.input));
  problem.out_backprop = read_floats(request.at("out_backprop"), element_count(problem.output));
  return problem;
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

void write_floats(const std::string &path, const Floats &values) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char *>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof(float)));
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
    gradient = side.prepare(choice, read_problem(request), [&] {
      if (gradient) warm_ups.push_back(time_runs(*gradient, request.at("warm_up_seconds")).at("runs").size());
    });
    json facts = gradient->facts;
    facts["warm_ups"] = warm_ups;  // how many runs each was
    return facts;
  }
  if (!gradient) throw std::runtime_error("nothing is prepared as " + choice + " " + format);
  if (what == "time") return time_runs(*gradient, request.at("seconds"));
  write_floats(request.at("path"), gradient->result());
  return json::object();
}

}  // namespace

size_t element_count(const Shape &shape) { return static_cast<size_t>(shape[0] * shape[1] * shape[2] * shape[3]); }

Shape in_format(const Problem &problem, const Shape &nhwc) {
  return problem.nchw ? Shape{nhwc[0], nhwc[3], nhwc[1], nhwc[2]} : nhwc;
}

Floats read_floats(const std::string &path, size_t count) {
  Floats values(count);
  std::ifstream file(path, std::ios::binary);
  if (!file.read(reinterpret_cast<char *>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float))))
    throw std::runtime_error("cannot read " + std::to_string(count) + " floats from " + path);
  return values;
}

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
