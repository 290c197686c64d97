// Whether two C functions are called alike: as many parameters, each of the same size and kind.
#ifndef CONVGRAD_TESTS_GPU_SAME_TYPE_H
#define CONVGRAD_TESTS_GPU_SAME_TYPE_H

#include <type_traits>

namespace convgrad::test {

template <typename A, typename B>
constexpr bool passed_alike() {
  const bool integers = (std::is_integral_v<A> || std::is_enum_v<A>)&&(std::is_integral_v<B> || std::is_enum_v<B>);
  return sizeof(A) == sizeof(B) && (integers || (std::is_pointer_v<A> && std::is_pointer_v<B>));
}

template <typename A, typename B>
struct CalledAlike : std::false_type {};
template <typename R, typename... A, typename S, typename... B>
struct CalledAlike<R (*)(A...), S (*)(B...)>
    : std::bool_constant<sizeof...(A) == sizeof...(B) && passed_alike<R, S>()> {
  static constexpr bool parameters() {
    if constexpr (sizeof...(A) == sizeof...(B)) return (passed_alike<A, B>() && ...);
    return false;
  }
};

template <typename A, typename B>
constexpr bool called_alike() {
  return CalledAlike<A, B>::value && CalledAlike<A, B>::parameters();
}

}  // namespace convgrad::test

#endif  // CONVGRAD_TESTS_GPU_SAME_TYPE_H
