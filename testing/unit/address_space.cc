// The books of the fake kernel's pages; see address_space.h.

#include "testing/unit/address_space.h"

#include <iterator>

namespace memalloc::fake_os {

AddressSpace::AddressSpace(uintptr_t start, uintptr_t end)
    : stretches_{{0, PageState::kOutside},
                 {start, PageState::kFree},
                 {end, PageState::kOutside}} {}

std::map<uintptr_t, PageState>::const_iterator AddressSpace::At(
    uintptr_t address) const {
  return std::prev(stretches_.upper_bound(address));
}

bool AddressSpace::Is(uintptr_t start, size_t bytes, PageState state) const {
  if (start + bytes < start) return false;
  const auto first = At(start);
  const auto next = std::next(first);
  // Neighbours differ, so one state means one stretch.
  return first->second == state &&
         (next == stretches_.end() || start + bytes <= next->first);
}

bool AddressSpace::Has(uintptr_t start, size_t bytes, PageState state) const {
  for (auto it = At(start); it != stretches_.end() && it->first < start + bytes;
       ++it) {
    if (it->second == state) return true;
  }
  return false;
}

void AddressSpace::Split(uintptr_t address) {
  stretches_.emplace(address, At(address)->second);
}

void AddressSpace::Set(uintptr_t start, size_t bytes, PageState state) {
  Split(start);
  Split(start + bytes);
  const auto first = stretches_.find(start);
  const auto end = stretches_.find(start + bytes);
  stretches_.erase(std::next(first), end);
  first->second = state;
  if (end->second == state) stretches_.erase(end);
  if (std::prev(first)->second == state) stretches_.erase(first);
}

void AddressSpace::Replace(PageState state, PageState by) {
  const std::map<uintptr_t, PageState> before = stretches_;
  for (auto it = before.begin(); std::next(it) != before.end(); ++it) {
    if (it->second == state) {
      Set(it->first, std::next(it)->first - it->first, by);
    }
  }
}

uintptr_t AddressSpace::FindRoom(size_t bytes) const {
  for (auto it = stretches_.rbegin(); it != stretches_.rend(); ++it) {
    if (it->second != PageState::kFree) continue;
    const uintptr_t end = std::prev(it)->first;
    if (end - it->first >= bytes) return end - bytes;
  }
  return 0;
}

size_t AddressSpace::Total(PageState state) const {
  size_t total = 0;
  for (auto it = stretches_.begin(); std::next(it) != stretches_.end(); ++it) {
    if (it->second == state) total += std::next(it)->first - it->first;
  }
  return total;
}

}  // namespace memalloc::fake_os
