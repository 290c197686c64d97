// This thread's latest failure, and the text it is made of. Nothing here allocates.
#ifndef CONVGRAD_RUNTIME_LAST_ERROR_H
#define CONVGRAD_RUNTIME_LAST_ERROR_H

#include <cstddef>
#include <cstdint>

#include "api.h"

namespace convgrad {

// A text of fixed capacity; what does not fit is cut off.
class Text {
 public:
  Text() { clear(); }
  void clear() {
    length_ = 0;
    buffer_[0] = '\0';
  }
  void append(const char *format, ...) __attribute__((format(printf, 2, 3)));
  const char *c_str() const { return buffer_; }
  bool empty() const { return length_ == 0; }

 private:
  size_t length_;
  char buffer_[512];
};

// "[1,5,5,2]"
Text list_text(const int64_t *values, int count);
inline Text shape_text(const int64_t shape[4]) { return list_text(shape, 4); }

// Stores the text for convgrad_last_error() and returns the status.
convgrad_status fail(convgrad_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

}  // namespace convgrad

#endif
