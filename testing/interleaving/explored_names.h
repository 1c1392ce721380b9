// Makes the core's own sources stop wherever threads meet. Included before each
// of them by the compiler (-include): not a line of them is changed.

#ifndef TESTING_INTERLEAVING_EXPLORED_NAMES_H_
#define TESTING_INTERLEAVING_EXPLORED_NAMES_H_

#include "testing/interleaving/explored.h"

namespace std {
template <typename T>
using explored_atomic =
    conditional_t<sizeof(T) == sizeof(void*), explored::Atomic<T>, atomic<T>>;
}  // namespace std

#define atomic explored_atomic
#define pthread_mutex_lock explored::Lock
#define pthread_mutex_unlock explored::Unlock

#endif  // TESTING_INTERLEAVING_EXPLORED_NAMES_H_
