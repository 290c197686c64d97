// oneDNN's side of the comparison, version 3, in three ways of choosing layouts:
//   same     the caller's (NHWC or NCHW, HWIO), pinned, which leaves only some of its implementations
//   convert  its own, operands and result converted on every call
//   best     its own, conversions not counted
#include <dlfcn.h>

#include <CLI/CLI.hpp>
#include <cstring>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <stdexcept>
#include <unordered_map>

#include "worker.h"

namespace {

using dnnl::memory;
using nlohmann::json;
using tag = memory::format_tag;

memory::dims image_dims(const Shape &nhwc) { return {nhwc[0], nhwc[3], nhwc[1], nhwc[2]}; }

memory::dims filter_dims(const Asked &problem) {
  const Shape &hwio = problem.filter;
  const int64_t groups = problem.groups;
  if (groups == 1) return {hwio[3], hwio[2], hwio[0], hwio[1]};
  return {groups, hwio[3] / groups, hwio[2], hwio[0], hwio[1]};
}

memory::desc image_in(const Asked &problem, const Shape &nhwc, bool any) {
  return {image_dims(nhwc), memory::data_type::f32, any ? tag::any : problem.nchw() ? tag::nchw : tag::nhwc};
}

memory::desc filter_in(const Asked &problem, bool any) {
  return {filter_dims(problem), memory::data_type::f32, any ? tag::any : problem.groups == 1 ? tag::hwio : tag::hwigo};
}

void fill(const memory &to, const Bytes &values) {
  char *mapped = to.map_data<char>();
  std::memcpy(mapped, values.data(), values.size());
  to.unmap_data(mapped);
}

// A tensor as the caller has it and as the primitive wants it; the two are one where the layouts are the same.
struct Operand {
  memory callers, primitives;
  dnnl::reorder conversion;  // of an operand on its way in, of the result on its way out
  bool converted = false;
};

class OnednnGradient final : public Gradient {
 public:
  OnednnGradient(const std::string &choice, const Asked &problem, const dnnl::engine &engine,
                 const std::function<void()> &warm_up)
      : by_input_(problem.by_input()), converts_(choice == "convert"), stream_(engine) {
    if (problem.dtype != CONVGRAD_FLOAT32) throw std::runtime_error("this side is of floats only");
    if (choice != "same" && choice != "convert" && choice != "best") throw std::runtime_error("no choice " + choice);
    const bool any = choice != "same";
    const memory::desc callers_input = image_in(problem, problem.input, false),
                       callers_filter = filter_in(problem, false);
    const memory::desc callers_output = image_in(problem, problem.output, false);
    Bytes unwritten(problem.result_bytes());
    make_unwritten(&unwritten);
    first_.callers = memory(by_input_ ? callers_filter : callers_input, engine);
    second_.callers = memory(callers_output, engine);
    result_.callers = memory(by_input_ ? callers_input : callers_filter, engine);
    fill(first_.callers, problem.first);
    fill(second_.callers, problem.out_backprop);
    fill(result_.callers, unwritten);

    warm_up();
    const Stopwatch making;
    make_primitive(problem, engine, any);
    double first_ms = making.milliseconds();
    const Stopwatch converting;
    for (Operand *operand : {&first_, &second_})
      if (operand->converted) operand->conversion.execute(stream_, operand->callers, operand->primitives);
    stream_.wait();
    if (converts_) first_ms += converting.milliseconds();
    const Stopwatch running;
    run();
    facts["first_ms"] = first_ms + running.milliseconds();
  }

  void run() override {
    if (converts_)
      for (Operand *operand : {&first_, &second_})
        if (operand->converted) operand->conversion.execute(stream_, operand->callers, operand->primitives);
    primitive_.execute(stream_, arguments_);
    if (converts_ && result_.converted) result_.conversion.execute(stream_, result_.primitives, result_.callers);
    stream_.wait();
  }

  Bytes result() override {
    run();
    if (!converts_ && result_.converted) {
      result_.conversion.execute(stream_, result_.primitives, result_.callers);
      stream_.wait();
    }
    char *const mapped = result_.callers.map_data<char>();
    Bytes values(result_.callers.get_desc().get_size());
    std::memcpy(values.data(), mapped, values.size());
    result_.callers.unmap_data(mapped);
    return values;
  }

 private:
  void make_primitive(const Asked &problem, const dnnl::engine &engine, bool any) {
    const memory::desc input = image_in(problem, problem.input, any), filter = filter_in(problem, any);
    const memory::desc output = image_in(problem, problem.output, any);
    const memory::dims strides(problem.strides.begin(), problem.strides.end());
    const memory::dims dilations = {problem.dilations[0] - 1, problem.dilations[1] - 1};
    const memory::dims before = {problem.pads[0], problem.pads[2]}, after = {problem.pads[1], problem.pads[3]};
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);  // so that its size is told
    const auto algorithm = dnnl::algorithm::convolution_direct;
    const dnnl::convolution_forward::primitive_desc forward(engine, dnnl::prop_kind::forward_training, algorithm, input,
                                                            filter, output, strides, dilations, before, after);
    if (by_input_) {
      const dnnl::convolution_backward_data::primitive_desc chosen(engine, algorithm, input, filter, output, strides,
                                                                   dilations, before, after, forward, attributes);
      primitive_ = dnnl::convolution_backward_data(chosen);
      bind(engine, chosen.weights_desc(), chosen.diff_dst_desc(), chosen.diff_src_desc(), chosen.scratchpad_desc());
      facts["kernel"] = chosen.impl_info_str();
    } else {
      const dnnl::convolution_backward_weights::primitive_desc chosen(engine, algorithm, input, filter, output, strides,
                                                                      dilations, before, after, forward, attributes);
      primitive_ = dnnl::convolution_backward_weights(chosen);
      bind(engine, chosen.src_desc(), chosen.diff_dst_desc(), chosen.diff_weights_desc(), chosen.scratchpad_desc());
      facts["kernel"] = chosen.impl_info_str();
    }
  }

  void bind(const dnnl::engine &engine, const memory::desc &first, const memory::desc &second,
            const memory::desc &result, const memory::desc &scratch) {
    size_t bytes = scratch.get_size();
    for (auto [operand, wanted] :
         {std::pair(&first_, &first), std::pair(&second_, &second), std::pair(&result_, &result)}) {
      operand->converted = *wanted != operand->callers.get_desc();
      operand->primitives = operand->converted ? memory(*wanted, engine) : operand->callers;
      if (!operand->converted) continue;
      if (converts_) bytes += wanted->get_size();
      operand->conversion = operand == &result_ ? dnnl::reorder(operand->primitives, operand->callers)
                                                : dnnl::reorder(operand->callers, operand->primitives);
    }
    facts["workspace_bytes"] = bytes;
    arguments_ = {{by_input_ ? DNNL_ARG_WEIGHTS : DNNL_ARG_SRC, first_.primitives},
                  {DNNL_ARG_DIFF_DST, second_.primitives},
                  {by_input_ ? DNNL_ARG_DIFF_SRC : DNNL_ARG_DIFF_WEIGHTS, result_.primitives},
                  {DNNL_ARG_SCRATCHPAD, memory(scratch, engine)}};
  }

  bool by_input_, converts_;
  dnnl::stream stream_;
  Operand first_, second_, result_;
  dnnl::primitive primitive_;
  std::unordered_map<int, memory> arguments_;
};

const char *runtime_name(unsigned runtime) {
  switch (runtime) {
    case DNNL_RUNTIME_SEQ:
      return "sequential";
    case DNNL_RUNTIME_OMP:
      return "OpenMP";
    case DNNL_RUNTIME_TBB:
      return "TBB";
    case DNNL_RUNTIME_SYCL:
      return "SYCL";
    default:
      return "another";
  }
}

class Onednn final : public Side {
 public:
  json hello() override {
    const dnnl_version_t *version = dnnl_version();
    Dl_info library{};
    dladdr(reinterpret_cast<const void *>(&dnnl_version), &library);
    return {{"name", "oneDNN"},
            {"version", std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
                            std::to_string(version->patch)},
            {"detail", std::string("CPU runtime: ") + runtime_name(version->cpu_runtime)},
            {"libraries", {library.dli_fname}}};
  }

  std::unique_ptr<Gradient> prepare(const std::string &choice, Asked problem,
                                    const std::function<void()> &warm_up) override {
    return std::make_unique<OnednnGradient>(choice, problem, engine_, warm_up);
  }

 private:
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
};

}  // namespace

int main(int argc, char **argv) {
  CLI::App app("oneDNN's side of build_tools/bench: requests on stdin, answers on stdout.");
  CLI11_PARSE(app, argc, argv);
  try {
    Onednn side;
    return serve(side);
  } catch (const std::exception &error) {
    std::printf("%s\n", json{{"error", error.what()}}.dump().c_str());
    return 1;
  }
}
