// What the hardened build keeps from an attacker: random words. Layer:
// hardened.
//
// The secret is one for the process; canaries come from it. The order of things
// (which cell next, which place in the quarantine) comes from sequences of
// each thread. Both are quick rather than cryptographic: who can read the
// heap's memory can compute them.

#ifndef MEMALLOC_HARDENED_SECRET_H_
#define MEMALLOC_HARDENED_SECRET_H_

#include <stdint.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/math.h"

namespace memalloc {

// Both odd.
struct Secret {
  uint64_t word;
  uint64_t factor;
};
// Set once, before the first cell is carved.
extern MEMALLOC_HIDDEN Secret g_secret;

// `random` is the process's.
inline void MakeSecret(uint64_t random) {
  g_secret = {Mix(random + 1) | 1, Mix(random + 2) | 1};
}

// A linear congruence, of which the upper bits count.
class RandomNumbers {
 public:
  // The next one, below `bound`, at most 2^32.
  MEMALLOC_FAST uint64_t Below(uint64_t bound) {
    state_ = state_ * 0x5851F42D4C957F2Du + g_secret.factor;
    return (state_ >> 32) * bound >> 32;
  }

  // A cheaper one of so many bits, for who has a word that nobody knows: the
  // sequence goes on by that.
  MEMALLOC_FAST uint64_t Bits(unsigned bits, uint64_t word) {
    state_ += word;
    return state_ >> (64 - bits);
  }

 private:
  uint64_t state_;
};

}  // namespace memalloc

#endif  // MEMALLOC_HARDENED_SECRET_H_
