// This thread's latest failure, and the text it is made of. Nothing here allocates.
#ifndef CONVGRAD_RUNTIME_LAST_ERROR_H
#define CONVGRAD_RUNTIME_LAST_ERROR_H

#include <cstdarg>
#include <cstddef>
#include <cstdint>

#include "api.h"

namespace convgrad {

// Appends to the `length` characters that the buffer holds; what does not fit is cut off.
void append_to(char *buffer, size_t capacity, size_t *length, const char *format, va_list arguments);

// A text of at most kCapacity - 1 characters. They live on the stack, which callers may have little of: so texts that
// are never long say how long.
template <size_t kCapacity>
class TextOf {
 public:
  TextOf() { clear(); }
  void clear() {
    length_ = 0;
    buffer_[0] = '\0';
  }
  __attribute__((format(printf, 2, 3))) void append(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    append_to(buffer_, kCapacity, &length_, format, arguments);
    va_end(arguments);
  }
  const char *c_str() const { return buffer_; }
  bool empty() const { return length_ == 0; }

 private:
  size_t length_;
  char buffer_[kCapacity];
};

// Of a reason.
using Text = TextOf<512>;

// "[1,5,5,2]", of up to four values with all their digits.
using ListText = TextOf<88>;
ListText list_text(const int64_t *values, int count);
inline ListText shape_text(const int64_t shape[4]) { return list_text(shape, 4); }

// Stores the text for convgrad_last_error() and returns the status.
convgrad_status fail(convgrad_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

}  // namespace convgrad

#endif
