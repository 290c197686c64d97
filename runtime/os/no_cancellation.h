// Calls that a cancelled thread finishes.
#ifndef CONVGRAD_RUNTIME_OS_NO_CANCELLATION_H
#define CONVGRAD_RUNTIME_OS_NO_CANCELLATION_H

#include <pthread.h>

namespace convgrad {

// While it lives the calling thread is not cancelled (pthread_cancel), which would leave locks held and memory lost,
// but at its next cancellation point after. At the door of every function that takes a lock, allocates, waits, or calls
// the application.
class NoCancellation {
 public:
  NoCancellation() { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~NoCancellation() { pthread_setcancelstate(before_, nullptr); }
  NoCancellation(const NoCancellation &) = delete;
  NoCancellation &operator=(const NoCancellation &) = delete;

 private:
  int before_ = PTHREAD_CANCEL_ENABLE;
};

}  // namespace convgrad

#endif
