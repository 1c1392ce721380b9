// What each page of the fake kernel's address space is. Only the books;
// fake_os_calls.cc sees to the memory itself.
//
// A map from the first address of each stretch to its state, so that looking
// for room in gigabytes costs as much as there are stretches. Invariant: no two
// neighbouring stretches have the same state. Not thread-safe: fake_os.cc holds
// its lock.

#ifndef TESTING_UNIT_ADDRESS_SPACE_H_
#define TESTING_UNIT_ADDRESS_SPACE_H_

#include <cstddef>
#include <cstdint>
#include <map>

namespace memalloc::fake_os {

enum class PageState {
  kOutside,
  kFree,
  kReserved,   // without access
  kCommitted,  // usable
  kLost,       // was reserved; a refusal left a hole
  kForeign,    // was lost, and somebody else got it
};

class AddressSpace {
 public:
  // Makes [start, end) the free pages there are.
  AddressSpace(uintptr_t start, uintptr_t end);

  // Whether all of [start, start + bytes) has the state.
  bool Is(uintptr_t start, size_t bytes, PageState state) const;

  // Whether any of it has.
  bool Has(uintptr_t start, size_t bytes, PageState state) const;

  void Set(uintptr_t start, size_t bytes, PageState state);

  // All pages of one state get another.
  void Replace(PageState state, PageState by);

  // The highest place where `bytes` are free, as Linux looks for it; 0 if
  // there is none.
  uintptr_t FindRoom(size_t bytes) const;

  // Bytes in the state.
  size_t Total(PageState state) const;

 private:
  // The stretch that holds `address`.
  std::map<uintptr_t, PageState>::const_iterator At(uintptr_t address) const;
  // Makes a stretch begin at `address`.
  void Split(uintptr_t address);

  std::map<uintptr_t, PageState> stretches_;
};

}  // namespace memalloc::fake_os

#endif  // TESTING_UNIT_ADDRESS_SPACE_H_
