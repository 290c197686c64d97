#include "lowering/scratch_size.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <set>

#include "runtime/scratch_layout.h"

namespace convgrad {
namespace {

using namespace Halide::Internal;

// Halide puts constant blocks up to this size on the stack unless a schedule asks for the heap.
constexpr int64_t kLargestStackBlock = 16 * 1024;

class ScratchSize : public IRMutator {
 public:
  ScratchSize(std::string kernel, std::string file, std::set<std::string> whole_tensors)
      : kernel_(std::move(kernel)), file_(std::move(file)), whole_tensors_(std::move(whole_tensors)) {}

  using IRMutator::mutate;
  Stmt mutate(const Stmt &stmt) override {
    const bool outermost = depth_++ == 0;
    Stmt same = IRMutator::mutate(stmt);
    depth_--;
    if (outermost && !file_.empty()) {
      std::ofstream(file_) << "CONVGRAD_SCRATCH(" << kernel_ << ", " << most_ << ")\n";
    }
    return same;
  }

 private:
  // What a GPU's kernels hold is the device's. So are blocks that the host never touches, whose condition is false.
  Stmt visit(const For *op) override { return op->for_type == ForType::GPUBlock ? Stmt(op) : IRMutator::visit(op); }

  Stmt visit(const Allocate *op) override {
    if (is_const_zero(op->condition) || op->new_expr.defined() || whole_tensors_.count(op->name) != 0) {
      return IRMutator::visit(op);
    }
    int64_t bytes = static_cast<int64_t>(op->type.bytes());
    for (const Halide::Expr &extent : op->extents) {
      auto constant = as_const_int(extent);
      _halide_user_assert(constant) << "The scratch " << op->name << " has no constant size: " << extent;
      bytes *= *constant;
    }
    bytes += op->padding * static_cast<int64_t>(op->type.bytes());
    const bool on_heap = op->memory_type == Halide::MemoryType::Heap ||
                         (op->memory_type == Halide::MemoryType::Auto && bytes > kLargestStackBlock);
    const int64_t block = on_heap ? static_cast<int64_t>(scratch_layout::block(static_cast<size_t>(bytes))) : 0;
    live_ += block;
    most_ = std::max(most_, live_);
    Stmt same = IRMutator::visit(op);
    live_ -= block;
    return same;
  }

  std::string kernel_, file_;
  std::set<std::string> whole_tensors_;
  int depth_ = 0;
  int64_t live_ = 0, most_ = 0;
};

}  // namespace

void write_scratch_size(Halide::Pipeline pipeline, const std::string &kernel, const std::string &file,
                        const std::vector<Halide::Func> &whole_tensors) {
  std::set<std::string> names;
  for (const Halide::Func &func : whole_tensors) names.insert(func.name());
  pipeline.add_custom_lowering_pass(new ScratchSize(kernel, file, std::move(names)));
}

}  // namespace convgrad
