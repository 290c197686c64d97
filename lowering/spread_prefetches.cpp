#include "lowering/spread_prefetches.h"

#include <utility>
#include <vector>

namespace convgrad {
namespace {

using namespace Halide::Internal;
using Halide::Expr;

using Lets = std::vector<std::pair<std::string, Expr>>;  // outermost first

Expr variable(const std::string &name) { return Variable::make(Halide::Int(32), name); }

Stmt with_lets(const Lets &lets, Stmt body) {
  for (auto let = lets.rbegin(); let != lets.rend(); ++let) body = LetStmt::make(let->first, let->second, body);
  return body;
}

// Takes the prefetches out of the body of a loop.
class TakePrefetches : public IRMutator {
 public:
  // Loops over a tensor's pixels, the innermost over a pixel's lines, with what they use of the body.
  std::vector<Stmt> taken;

 private:
  using IRMutator::visit;
  // Halide puts them at the beginning of the body, outside of the loops in it.
  Stmt visit(const For *op) override {
    if (!starts_with(op->name, "prefetch_")) return op;
    taken.push_back(with_lets(lets_, op));
    return Evaluate::make(0);
  }
  Stmt visit(const LetStmt *op) override {
    lets_.emplace_back(op->name, op->value);
    Stmt same = IRMutator::visit(op);
    lets_.pop_back();
    return same;
  }

  Lets lets_;
};

// The same loops for one part of the pixels along their last dimension, the lines of which are one call.
Stmt one_part(const Stmt &loops, const Expr &part, const Expr &parts) {
  const For *pixels = loops.as<For>();
  Stmt body = pixels->body;
  while (const LetStmt *let = body.as<LetStmt>()) body = substitute(let->name, let->value, let->body);
  const For *lines = body.as<For>();
  _halide_user_assert(lines) << "A prefetch of pixels of channels is wanted, not " << loops;
  if (starts_with(lines->name, "prefetch_reduce_")) {
    return For::make(pixels->name, pixels->min, pixels->extent, pixels->for_type, pixels->partition_policy,
                     pixels->device_api, one_part(body, part, parts));
  }
  const Evaluate *evaluate = lines->body.as<Evaluate>();
  const Call *prefetch = evaluate ? evaluate->value.as<Call>() : nullptr;
  _halide_user_assert(prefetch && prefetch->is_intrinsic(Call::prefetch))
      << "A prefetch is wanted, not " << lines->body;
  const auto at = [&](const Expr &pixel, const Expr &line) {
    return substitute(lines->name, line, substitute(pixels->name, pixel, prefetch->args[1]));
  };
  const Expr pixel = pixels->min, line = lines->min;
  const Expr pixel_stride = simplify(at(pixel + 1, line) - at(pixel, line));
  const Expr channels = simplify(at(pixel, line + 1) - at(pixel, line)) * lines->extent;
  // A division that is the same for all parts: the compiler makes it before their loops.
  const Expr share = (pixels->extent + parts - 1) / parts;
  const int bytes = prefetch->type.bytes();
  const auto words = [bytes](const Expr &elements) { return bytes == 4 ? elements : simplify(elements * bytes / 4); };
  return Evaluate::make(Call::make(Halide::Int(32), "convgrad_prefetch",
                                   {prefetch->args[0], words(at(pixel, line)), share * part,
                                    min(share * (part + 1), pixels->extent), words(pixel_stride), words(channels)},
                                   Call::Extern));
}

class HoldsTile : public IRVisitor {
 public:
  explicit HoldsTile(const std::string &tile) : tile_(tile) {}
  bool found = false;

 private:
  using IRVisitor::visit;
  void visit(const Allocate *op) override {
    found = found || op->name == tile_;
    IRVisitor::visit(op);
  }
  const std::string &tile_;
};

class SpreadPrefetches : public IRMutator {
 public:
  SpreadPrefetches(const std::string &round, std::string tile) : round_("." + round), tile_(std::move(tile)) {}

  using IRMutator::mutate;
  Stmt mutate(const Stmt &stmt) override {
    const bool outermost = depth_++ == 0;
    Stmt spread = IRMutator::mutate(stmt);
    depth_--;
    _halide_user_assert(!outermost || found_tile_) << "No prefetch for " << tile_ << " in a loop " << round_;
    return spread;
  }

 private:
  using IRMutator::visit;
  Stmt visit(const For *op) override {
    Stmt body;
    if (is_round(op)) {
      TakePrefetches take;
      body = take.mutate(op->body);
      Lets next;  // the same for all parts: so not within their loops
      for (const Stmt &loops : take.taken) {
        prefetches_.push_back(take_lets(substitute(op->name, variable(op->name) + 1, loops), &next));
      }
      body = with_lets(next, mutate(body));
      prefetches_.clear();
    } else if (prefetches_.empty()) {
      body = mutate(op->body);
    } else {
      loops_.push_back(op);
      body = mutate(op->body);
      loops_.pop_back();
    }
    return For::make(op->name, op->min, op->extent, op->for_type, op->partition_policy, op->device_api, body);
  }

  bool is_round(const For *op) const {
    HoldsTile holds(tile_);
    if (ends_with(op->name, round_)) op->body.accept(&holds);
    return holds.found;
  }

  // The loops, with new names for the lets around them.
  static Stmt take_lets(Stmt loops, Lets *lets) {
    while (const LetStmt *let = loops.as<LetStmt>()) {
      lets->emplace_back(let->name + ".next" + std::to_string(lets->size()), let->value);
      loops = substitute(let->name, Variable::make(let->value.type(), lets->back().first), let->body);
    }
    return loops;
  }

  Stmt visit(const Allocate *op) override {
    if (prefetches_.empty() || op->name != tile_) return IRMutator::visit(op);
    found_tile_ = true;
    Expr part = 0, parts = 1;
    for (const For *loop : loops_) {
      part = part * loop->extent + (variable(loop->name) - loop->min);
      parts = parts * loop->extent;
    }
    Stmt all = op;
    for (const Stmt &loops : prefetches_) all = Block::make(simplify(one_part(loops, part, parts)), all);
    return all;
  }

  std::string round_, tile_;
  int depth_ = 0;
  bool found_tile_ = false;
  std::vector<const For *> loops_;  // between the round and the tile
  std::vector<Stmt> prefetches_;    // for the next round
};

}  // namespace

void spread_prefetches(Halide::Pipeline pipeline, const std::string &round, const Halide::Func &tile) {
  pipeline.add_custom_lowering_pass(new SpreadPrefetches(round, tile.name()));
}

}  // namespace convgrad
