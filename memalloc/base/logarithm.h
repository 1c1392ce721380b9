// The natural logarithm and its inverse: libm is no part of libc, and the
// allocator needs nothing else of it. Layer: base.

#ifndef MEMALLOC_BASE_LOGARITHM_H_
#define MEMALLOC_BASE_LOGARITHM_H_

#include <stdint.h>
#include <string.h>

namespace memalloc {

inline constexpr double kLn2 = 0.69314718055994530942;

// ln(x) of a normal x > 0, to nine digits.
inline double Ln(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof(bits));
  // x = mantissa * 2^exponent, with the mantissa within [2/3, 4/3).
  constexpr uint64_t kTwoThirds = 0x3FE5555555555555;
  const int64_t exponent = static_cast<int64_t>(bits - kTwoThirds) >> 52;
  bits -= static_cast<uint64_t>(exponent) << 52;
  double mantissa;
  memcpy(&mantissa, &bits, sizeof(mantissa));
  // ln(m) = 2 artanh((m - 1) / (m + 1)), as a series.
  const double t = (mantissa - 1) / (mantissa + 1);
  const double t2 = t * t;
  double sum = 0;
  for (int n = 13; n > 0; n -= 2) sum = sum * t2 + 1.0 / n;
  return 2 * t * sum + static_cast<double>(exponent) * kLn2;
}

// 1 - exp(-x) of x >= 0, to nine digits.
inline double OneMinusExp(double x) {
  if (x > 40) return 1;
  // By halves, until few terms of the series do: with y = 1 - exp(-x), twice
  // x makes y (2 - y).
  int halvings = 0;
  for (; x > 0.25; x /= 2) ++halvings;
  double sum = 0;
  for (int n = 9; n > 0; --n) sum = x / n * (1 - sum);
  for (; halvings > 0; --halvings) sum *= 2 - sum;
  return sum;
}

}  // namespace memalloc

#endif  // MEMALLOC_BASE_LOGARITHM_H_
