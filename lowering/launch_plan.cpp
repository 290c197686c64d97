#include "lowering/launch_plan.h"

#include <fstream>
#include <sstream>

namespace convgrad {
namespace {

using namespace Halide::Internal;

int64_t constant(const Halide::Expr &e, const std::string &what) {
  const auto value = as_const_int(simplify(e));
  _halide_user_assert(value) << what << " is not a constant: " << e;
  return *value;
}

// One launch: what is inside a loop over blocks.
class Needs : public IRVisitor {
 public:
  int64_t threads = 1, shared_bytes = 0, register_bytes = 0;

 private:
  using IRVisitor::visit;
  void visit(const For *op) override {
    if (op->for_type == ForType::GPUThread) threads *= constant(op->extent, "the number of threads of " + op->name);
    IRVisitor::visit(op);
  }
  void visit(const Allocate *op) override {
    int64_t bytes = op->type.bytes();
    for (const Halide::Expr &extent : op->extents) bytes *= constant(extent, "the size of " + op->name);
    (op->memory_type == Halide::MemoryType::GPUShared ? shared_bytes : register_bytes) += bytes;
    IRVisitor::visit(op);
  }
};

class LaunchPlan : public IRMutator {
 public:
  LaunchPlan(std::string file, const GpuLimits &limits) : file_(std::move(file)), limits_(limits) {}

  using IRMutator::mutate;
  Stmt mutate(const Stmt &stmt) override {
    const bool outermost = depth_++ == 0;
    Stmt same = IRMutator::mutate(stmt);
    depth_--;
    if (outermost && !file_.empty()) std::ofstream(file_) << lines_.str();
    return same;
  }

 private:
  using IRMutator::visit;
  Stmt visit(const For *op) override {
    if (op->for_type != ForType::GPUBlock) return IRMutator::visit(op);
    Needs needs;
    op->body.accept(&needs);
    _halide_user_assert(needs.threads <= limits_.threads && needs.shared_bytes <= limits_.shared_bytes)
        << op->name << " has " << needs.threads << " threads and " << needs.shared_bytes
        << " bytes of shared memory a block, expected at most " << limits_.threads << " and " << limits_.shared_bytes;
    lines_ << op->name << " " << needs.threads << " " << needs.shared_bytes << " " << needs.register_bytes << "\n";
    return op;
  }

  std::string file_;
  GpuLimits limits_;
  int depth_ = 0;
  std::ostringstream lines_;
};

}  // namespace

void write_launch_plan(Halide::Pipeline pipeline, const std::string &file, const GpuLimits &limits) {
  pipeline.add_custom_lowering_pass(new LaunchPlan(file, limits));
}

}  // namespace convgrad
