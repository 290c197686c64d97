#include "lowering/thread_registers.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace convgrad {
namespace {

using namespace Halide::Internal;

// Where each constant part of an index has its place in a thread's own array.
struct Layout {
  std::vector<int64_t> of_thread;   // the part of an index that depends on the thread, for each of them
  std::map<int64_t, int> place_of;  // by the part that does not
};

// A number plus multiples of variables that are the same for all of a block's threads.
struct Form {
  int64_t number = 0;
  std::map<std::string, int64_t> multiples;

  void add(const Form &other, int64_t factor) {
    number += other.number * factor;
    for (const auto &[name, multiple] : other.multiples) {
      if ((multiples[name] += multiple * factor) == 0) multiples.erase(name);
    }
  }
};

// Evaluates indices, and finds out what they are made of.
class Accesses : public IRVisitor {
 public:
  explicit Accesses(const std::string &array) : array_(array) {}

  Layout layout(const Stmt &body) {
    body.accept(this);
    Layout result;
    _halide_user_assert(threads_ > 0 && !indices_.empty()) << array_ << " is not used by threads";
    std::set<int64_t> constants;
    for (const Halide::Expr &index : indices_) {
      const int64_t first = value(index, 0);
      for (int64_t thread = 0; thread < threads_; thread++) {
        const int64_t part = value(index, thread) - first;
        if (static_cast<int64_t>(result.of_thread.size()) == thread) result.of_thread.push_back(part);
        _halide_user_assert(part == result.of_thread[thread])
            << array_ << "[" << index << "]: its threads do not keep to their own elements";
      }
      constants.insert(first);
    }
    std::set<int64_t> elements;
    for (int64_t part : result.of_thread) {
      for (int64_t constant : constants) elements.insert(part + constant);
    }
    _halide_user_assert(elements.size() == constants.size() * result.of_thread.size())
        << array_ << ": two threads share an element";
    for (int64_t constant : constants) {
      const int place = static_cast<int>(result.place_of.size());
      result.place_of[constant] = place;
    }
    return result;
  }

  // The value of an index in the first thread, less that of the first access.
  int64_t constant(const Halide::Expr &index) const { return value(index, 0); }

  using IRVisitor::visit;
  void visit(const LetStmt *op) override {
    define(op->name, op->value);
    IRVisitor::visit(op);
  }
  void visit(const Let *op) override {
    define(op->name, op->value);
    IRVisitor::visit(op);
  }
  void visit(const For *op) override {
    if (op->for_type == ForType::GPUThread) {
      const auto extent = as_const_int(op->extent);
      _halide_user_assert(extent && thread_.empty())
          << "expected one loop over a constant number of threads: " << op->name;
      thread_ = op->name;
      threads_ = *extent;
    }
    IRVisitor::visit(op);
  }
  void visit(const Load *op) override {
    if (op->name == array_) add(op->index);
    IRVisitor::visit(op);
  }
  void visit(const Store *op) override {
    if (op->name == array_) add(op->index);
    IRVisitor::visit(op);
  }

 private:
  // A name may mean different things in different scopes; such a one is in no index.
  void define(const std::string &name, const Halide::Expr &value) {
    const auto [let, is_new] = lets_.try_emplace(name, value);
    if (!is_new && !equal(let->second, value)) let->second = Halide::Expr();
  }

  void add(const Halide::Expr &index) {
    const Ramp *ramp = index.as<Ramp>();
    if (ramp == nullptr) {
      indices_.insert(index);
      return;
    }
    for (int lane = 0; lane < ramp->lanes; lane++) indices_.insert(simplify(ramp->base + ramp->stride * lane));
  }

  int64_t value(const Halide::Expr &index, int64_t thread) const {
    std::optional<Form> form = form_of(index, thread), origin = form_of(*indices_.begin(), 0);
    _halide_user_assert(form && origin) << "an index of " << array_ << " is not linear: " << index;
    form->add(*origin, -1);
    _halide_user_assert(form->multiples.empty())
        << "indices of " << array_ << " differ by " << form->multiples.begin()->first << ": " << index;
    return form->number;
  }

  std::optional<Form> form_of(const Halide::Expr &e, int64_t thread) const {
    Form form;
    if (const auto constant = as_const_int(e)) {
      form.number = *constant;
      return form;
    }
    if (const Variable *variable = e.as<Variable>()) {
      if (variable->name == thread_) {
        form.number = thread;
        return form;
      }
      if (const auto let = lets_.find(variable->name); let != lets_.end()) {
        if (!let->second.defined()) return std::nullopt;
        const auto [known, is_new] = known_.try_emplace({variable->name, thread});
        if (is_new) {
          const std::optional<Form> value = form_of(let->second, thread);
          known_[{variable->name, thread}] = value;
          if (value) return value;
        } else if (known->second) {
          return known->second;
        }
      }
      form.multiples[variable->name] = 1;
      return form;
    }
    if (const Add *op = e.as<Add>()) return sum_of(op->a, op->b, 1, thread);
    if (const Sub *op = e.as<Sub>()) return sum_of(op->a, op->b, -1, thread);
    if (const Mul *op = e.as<Mul>()) {
      const std::optional<Form> a = form_of(op->a, thread), b = form_of(op->b, thread);
      if (!a || !b || !(a->multiples.empty() || b->multiples.empty())) return std::nullopt;
      a->multiples.empty() ? form.add(*b, a->number) : form.add(*a, b->number);
      return form;
    }
    if (const Div *op = e.as<Div>()) return quotient_of(op->a, op->b, thread, div_imp<int64_t>);
    if (const Mod *op = e.as<Mod>()) return quotient_of(op->a, op->b, thread, mod_imp<int64_t>);
    return std::nullopt;
  }

  std::optional<Form> sum_of(const Halide::Expr &a, const Halide::Expr &b, int64_t factor, int64_t thread) const {
    std::optional<Form> sum = form_of(a, thread);
    const std::optional<Form> other = form_of(b, thread);
    if (!sum || !other) return std::nullopt;
    sum->add(*other, factor);
    return sum;
  }

  std::optional<Form> quotient_of(const Halide::Expr &a, const Halide::Expr &b, int64_t thread,
                                  int64_t (*divide)(int64_t, int64_t)) const {
    const std::optional<Form> over = form_of(a, thread), under = form_of(b, thread);
    if (!over || !under || !over->multiples.empty() || !under->multiples.empty()) return std::nullopt;
    Form form;
    form.number = divide(over->number, under->number);
    return form;
  }

  std::string array_, thread_;
  int64_t threads_ = 0;
  std::map<std::string, Halide::Expr> lets_;
  mutable std::map<std::pair<std::string, int64_t>, std::optional<Form>> known_;
  std::set<Halide::Expr, IRDeepCompare> indices_;  // unrolled loops repeat them many times
};

// Rewrites the accesses of one array. They claim no alignment: OpenCL C gives a private array of floats none.
class Shrink : public IRMutator {
 public:
  Shrink(const std::string &array, const Accesses &accesses, const Layout &layout)
      : array_(array), accesses_(accesses), layout_(layout) {}

 private:
  using IRMutator::visit;
  Halide::Expr place(const Halide::Expr &index) const {
    const Ramp *ramp = index.as<Ramp>();
    const int64_t first = accesses_.constant(ramp ? ramp->base : index);
    const int at = layout_.place_of.at(first);
    if (ramp == nullptr) return at;
    for (int lane = 1; lane < ramp->lanes; lane++) {
      const int64_t constant = first + *as_const_int(ramp->stride) * lane;
      _halide_user_assert(layout_.place_of.at(constant) == at + lane) << array_ << ": a vector is torn apart";
    }
    return Ramp::make(at, 1, ramp->lanes);
  }

  Halide::Expr visit(const Load *op) override {
    if (op->name != array_) return IRMutator::visit(op);
    const Halide::Expr index = place(op->index);
    return Load::make(op->type, op->name, index, op->image, op->param, op->predicate, ModulusRemainder());
  }

  Stmt visit(const Store *op) override {
    if (op->name != array_) return IRMutator::visit(op);
    const Halide::Expr index = place(op->index);
    return Store::make(op->name, mutate(op->value), index, op->param, mutate(op->predicate), ModulusRemainder());
  }

  const std::string &array_;
  const Accesses &accesses_;
  const Layout &layout_;
};

// Whether a <= b, also where can_prove does not see that either operand of a sum's minimum will do.
bool at_most(const Halide::Expr &a, const Halide::Expr &b) {
  if (can_prove(a <= b)) return true;
  if (const Min *least = a.as<Min>()) return at_most(least->a, b) || at_most(least->b, b);
  if (const Max *most = a.as<Max>()) return at_most(most->a, b) && at_most(most->b, b);
  const Add *sum = a.as<Add>();
  if (sum == nullptr) return false;
  return (sum->a.as<Min>() != nullptr && at_most(sum->a, b - sum->b)) ||
         (sum->b.as<Min>() != nullptr && at_most(sum->b, b - sum->a));
}

bool holds(const Halide::Expr &condition) {
  if (can_prove(condition)) return true;
  const Halide::Expr simple = simplify(condition);
  const LE *order = simple.as<LE>();
  return order != nullptr && order->a.type().is_int() && at_most(order->a, order->b);
}

// A kernel has nobody to tell that a schedule promised a block more than it holds. Such a promise is proved here, or
// the build fails.
class ProveAsserts : public IRMutator {
  using IRMutator::visit;
  Stmt visit(const For *op) override {
    Halide::Internal::ScopedValue<bool> inside(in_kernel_, in_kernel_ || op->for_type == ForType::GPUBlock);
    return IRMutator::visit(op);
  }
  Stmt visit(const LetStmt *op) override {
    lets_.emplace_back(op->name, op->value);
    Stmt same = IRMutator::visit(op);
    lets_.pop_back();
    return same;
  }
  Stmt visit(const AssertStmt *op) override {
    if (!in_kernel_) return op;
    // Some hold whatever the innermost lets stand for, and are not seen to once those are put in; most need them.
    Halide::Expr condition = op->condition;
    bool proved = holds(condition);
    for (auto let = lets_.rbegin(); let != lets_.rend() && !proved; ++let) {
      condition = substitute(let->first, let->second, condition);
      proved = holds(condition);
    }
    _halide_user_assert(proved) << "a bound of the schedule may be too small: " << simplify(condition) << ", "
                                << op->message;
    return Evaluate::make(0);
  }

  bool in_kernel_ = false;
  std::vector<std::pair<std::string, Halide::Expr>> lets_;
};

class KeepInRegisters : public IRMutator {
 public:
  explicit KeepInRegisters(std::set<std::string> funcs) : funcs_(std::move(funcs)) {}

 private:
  using IRMutator::visit;
  Stmt visit(const Allocate *op) override {
    if (op->memory_type != Halide::MemoryType::Register || !is_of_funcs(op->name)) return IRMutator::visit(op);
    Accesses accesses(op->name);
    const Layout layout = accesses.layout(op->body);
    const Stmt body = Shrink(op->name, accesses, layout).mutate(op->body);
    return Allocate::make(op->name, op->type, op->memory_type, {static_cast<int>(layout.place_of.size())},
                          op->condition, body);
  }

  // Halide calls what it takes out of a block's loops by the Func's name, a dot and a number.
  bool is_of_funcs(const std::string &array) const { return funcs_.count(array.substr(0, array.rfind('.'))) != 0; }

  std::set<std::string> funcs_;
};

}  // namespace

void keep_in_registers(Halide::Pipeline pipeline, const std::vector<Halide::Func> &funcs) {
  std::set<std::string> names;
  for (const Halide::Func &func : funcs) names.insert(func.name());
  pipeline.add_custom_lowering_pass(new ProveAsserts());
  pipeline.add_custom_lowering_pass(new KeepInRegisters(std::move(names)));
}

}  // namespace convgrad
