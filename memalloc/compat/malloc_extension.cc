// gperftools' MallocExtension for C, and the numbers of tcmalloc's properties,
// which Google's newer one has too; see gperftools/malloc_extension_c.h.

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

#include "memalloc/compat/gperftools/malloc_extension_c.h"
#include "memalloc/compat/memalloc_report.h"
#include "memalloc/compat/option_values.h"
#include "memalloc/compat/snapshot.h"
#include "memalloc/memalloc.h"

#define MEMALLOC_EXPORT extern "C" __attribute__((visibility("default")))

namespace memalloc_compat {
namespace {

constexpr uint64_t kUsualDelay = 1000;  // milliseconds

// Errno values are kept: options and reports may set it.
class ErrnoGuard {
 public:
  ErrnoGuard() : saved_(errno) {}
  ~ErrnoGuard() { errno = saved_; }

 private:
  int saved_;
};

struct Property {
  const char* name;
  uint64_t (*read)(const Snapshot& snapshot);
};

constexpr Property kProperties[] = {
    {"generic.current_allocated_bytes",
     [](const Snapshot& s) { return s.Allocated(); }},
    {"generic.heap_size", [](const Snapshot& s) { return s->heap_bytes; }},
    {"generic.total_physical_bytes",
     [](const Snapshot& s) { return s->total.resident; }},
    {"tcmalloc.central_cache_free_bytes",
     [](const Snapshot& s) { return s->free_cells.bytes; }},
    {"tcmalloc.current_total_thread_cache_bytes",
     [](const Snapshot& s) { return s.AtHand(); }},
    {"tcmalloc.pageheap_free_bytes",
     [](const Snapshot& s) { return s.FreePages(); }},
    {"tcmalloc.pageheap_unmapped_bytes",
     [](const Snapshot& s) { return s.Retained(); }},
    {"tcmalloc.thread_cache_free_bytes",
     [](const Snapshot& s) { return s.AtHand(); }},
    {"tcmalloc.transfer_cache_free_bytes",
     [](const Snapshot& s) { return s->travelling.bytes; }},
};

struct OptionProperty {
  const char* name;
  const char* option;
  unsigned shift;  // how the property's unit is made from bytes
};

constexpr OptionProperty kOptionProperties[] = {
    {"memalloc.hard_limit", "hard_limit", 0},
    {"memalloc.soft_limit", "soft_limit", 0},
    {"tcmalloc.heap_limit_mb", "hard_limit", 20},
    {"tcmalloc.sample_parameter", "sample_interval", 0},
};

// Whether memory goes back at once.
constexpr char kDecommit[] = "tcmalloc.aggressive_memory_decommit";

bool GetProperty(const char* name, size_t* value) {
  if (memalloc_version == nullptr) return false;
  if (strcmp(name, kDecommit) == 0) {
    *value = GetOption("purge_delay") == 0;
    return true;
  }
  for (const OptionProperty& property : kOptionProperties) {
    if (strcmp(name, property.name) != 0) continue;
    *value = GetOption(property.option) >> property.shift;
    return true;
  }
  for (const Property& property : kProperties) {
    if (strcmp(name, property.name) != 0) continue;
    Snapshot::Refresh();
    const Snapshot snapshot;
    *value = property.read(snapshot);
    return true;
  }
  return false;
}

bool SetProperty(const char* name, size_t value) {
  if (strcmp(name, kDecommit) == 0) {
    return SetOption("purge_delay", value != 0 ? 0 : kUsualDelay) == 0;
  }
  for (const OptionProperty& property : kOptionProperties) {
    if (strcmp(name, property.name) != 0) continue;
    return value <= SIZE_MAX >> property.shift &&
           SetOption(property.option, value << property.shift) == 0;
  }
  return false;
}

struct Text {
  char* at;
  size_t room;
};

void Append(void* argument, const char* data, size_t size) {
  auto* text = static_cast<Text*>(argument);
  const size_t kept = size < text->room ? size : text->room;
  memcpy(text->at, data, kept);
  text->at += kept;
  text->room -= kept;
}

void GiveBack() {
  malloc_trim(0);
  Snapshot::Forget();
}

int Verify() {
  return memalloc_check_heap == nullptr ? 1 : memalloc_check_heap();
}

}  // namespace
}  // namespace memalloc_compat

MEMALLOC_EXPORT int MallocExtension_VerifyAllMemory() {
  return memalloc_compat::Verify();
}
MEMALLOC_EXPORT int MallocExtension_VerifyNewMemory(const void*) {
  return memalloc_compat::Verify();
}
MEMALLOC_EXPORT int MallocExtension_VerifyArrayNewMemory(const void*) {
  return memalloc_compat::Verify();
}
MEMALLOC_EXPORT int MallocExtension_VerifyMallocMemory(const void*) {
  return memalloc_compat::Verify();
}

MEMALLOC_EXPORT void MallocExtension_GetStats(char* buffer, int buffer_length) {
  if (buffer_length <= 0) return;
  memalloc_compat::Text text = {buffer, static_cast<size_t>(buffer_length) - 1};
  memalloc_read_report("stats", &memalloc_compat::Append, &text);
  *text.at = '\0';
}

MEMALLOC_EXPORT int MallocExtension_GetNumericProperty(const char* property,
                                                       size_t* value) {
  const memalloc_compat::ErrnoGuard guard;
  return memalloc_compat::GetProperty(property, value) ? 1 : 0;
}

MEMALLOC_EXPORT int MallocExtension_SetNumericProperty(const char* property,
                                                       size_t value) {
  const memalloc_compat::ErrnoGuard guard;
  return memalloc_compat::SetProperty(property, value) ? 1 : 0;
}

MEMALLOC_EXPORT void MallocExtension_MarkThreadIdle() {}
MEMALLOC_EXPORT void MallocExtension_MarkThreadBusy() {}
MEMALLOC_EXPORT void MallocExtension_MarkThreadTemporarilyIdle() {}

MEMALLOC_EXPORT void MallocExtension_ReleaseToSystem(size_t) {
  memalloc_compat::GiveBack();
}
MEMALLOC_EXPORT void MallocExtension_ReleaseFreeMemory() {
  memalloc_compat::GiveBack();
}

MEMALLOC_EXPORT void MallocExtension_SetMemoryReleaseRate(double rate) {
  const memalloc_compat::ErrnoGuard guard;
  const double delay = 1000 / rate;  // milliseconds
  const bool is_never = !(rate > 0) || delay >= memalloc_compat::kNever;
  memalloc_compat::SetOption("purge_delay", is_never
                                                ? memalloc_compat::kNever
                                                : static_cast<uint64_t>(delay));
}

MEMALLOC_EXPORT double MallocExtension_GetMemoryReleaseRate() {
  const memalloc_compat::ErrnoGuard guard;
  const uint64_t delay = memalloc_compat::GetOption("purge_delay");
  if (delay == memalloc_compat::kNever) return 0;
  return 1000.0 / static_cast<double>(delay == 0 ? 1 : delay);
}

MEMALLOC_EXPORT size_t MallocExtension_GetEstimatedAllocatedSize(size_t size) {
  const size_t good =
      memalloc_good_size == nullptr ? 0 : memalloc_good_size(size, 0);
  return good == 0 ? size : good;
}

MEMALLOC_EXPORT size_t MallocExtension_GetAllocatedSize(const void* p) {
  return malloc_usable_size(const_cast<void*>(p));
}

MEMALLOC_EXPORT size_t MallocExtension_GetThreadCacheSize() { return 0; }

MEMALLOC_EXPORT MallocExtension_Ownership
MallocExtension_GetOwnership(const void* p) {
  if (memalloc_owns == nullptr) return MallocExtension_kUnknownOwnership;
  return memalloc_owns(p) != 0 ? MallocExtension_kOwned
                               : MallocExtension_kNotOwned;
}
