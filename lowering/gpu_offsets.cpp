#include "lowering/gpu_offsets.h"

#include <algorithm>

namespace convgrad {
namespace {

using namespace Halide::Internal;

class AddOffsets : public IRMutator {
 public:
  explicit AddOffsets(std::vector<std::string> buffers) : buffers_(std::move(buffers)) {}

 private:
  Halide::Expr moved(const std::string &buffer, const Halide::Expr &index) const {
    if (std::find(buffers_.begin(), buffers_.end(), buffer) == buffers_.end()) return index;
    Halide::Expr offset = Variable::make(Halide::Int(32), offset_of(buffer));
    if (const Ramp *ramp = index.as<Ramp>()) return Ramp::make(ramp->base + offset, ramp->stride, ramp->lanes);
    return index + (index.type().is_vector() ? Broadcast::make(offset, index.type().lanes()) : offset);
  }

  Halide::Expr visit(const Load *op) override {
    const Halide::Expr index = moved(op->name, mutate(op->index));
    if (index.same_as(op->index)) return op;
    return Load::make(op->type, op->name, index, op->image, op->param, mutate(op->predicate), ModulusRemainder());
  }

  Stmt visit(const Store *op) override {
    const Halide::Expr index = moved(op->name, mutate(op->index));
    return Store::make(op->name, mutate(op->value), index, op->param, mutate(op->predicate),
                       index.same_as(op->index) ? op->alignment : ModulusRemainder());
  }

  std::vector<std::string> buffers_;
};

}  // namespace

void add_buffer_offsets(Halide::Pipeline pipeline, const std::vector<std::string> &buffers) {
  pipeline.add_custom_lowering_pass(new AddOffsets(buffers));
}

}  // namespace convgrad
