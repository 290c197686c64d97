#include "parallel.h"

#include "float_mode.h"

namespace convgrad {
namespace {

struct Tasks {
  void (*task)(void *arg, int64_t index);
  void *arg;
  FloatMode mode;
};

void run_task(void *arg, int64_t index) {
  const Tasks &tasks = *static_cast<const Tasks *>(arg);
  const FloatMode::Scope scope(tasks.mode);
  tasks.task(tasks.arg, index);
}

}  // namespace

void run_tasks(const Parallel &parallel, void (*task)(void *arg, int64_t index), void *arg, int64_t count) {
  Tasks tasks = {task, arg, {}};
  parallel.parallel_for(parallel.pool, run_task, &tasks, count);
}

}  // namespace convgrad
