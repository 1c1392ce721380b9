// gperftools' class MallocExtension on memalloc, for programs that include
// <gperftools/malloc_extension.h>. What each member does here, its units and
// what it returns is said in malloc_extension_c.h.
//
// Not here, as nothing here corresponds to it: MallocMemoryStats, Ranges,
// ReadStackTraces, ReadHeapGrowthStackTraces, SysAllocator, Register. No
// function is virtual: there is one implementation.

#ifndef MEMALLOC_COMPAT_GPERFTOOLS_MALLOC_EXTENSION_H_
#define MEMALLOC_COMPAT_GPERFTOOLS_MALLOC_EXTENSION_H_

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "memalloc/compat/gperftools/malloc_extension_c.h"
#include "memalloc/compat/memalloc_report.h"
#include "memalloc/memalloc.h"

typedef std::string MallocExtensionWriter;

// So that no function of it takes the place of libtcmalloc's.
namespace memalloc_compat {

class MallocExtension {
 public:
  enum Ownership { kUnknownOwnership = 0, kOwned, kNotOwned };

  struct FreeListInfo {
    size_t min_object_size;
    size_t max_object_size;
    size_t total_bytes_free;
    const char* type;
  };

  static MallocExtension* instance() {
    static MallocExtension extension;
    return &extension;
  }
  static void Initialize() {}

  bool VerifyAllMemory() { return MallocExtension_VerifyAllMemory() != 0; }
  bool VerifyNewMemory(const void* p) {
    return MallocExtension_VerifyNewMemory(p) != 0;
  }
  bool VerifyArrayNewMemory(const void* p) {
    return MallocExtension_VerifyArrayNewMemory(p) != 0;
  }
  bool VerifyMallocMemory(const void* p) {
    return MallocExtension_VerifyMallocMemory(p) != 0;
  }

  void GetStats(char* buffer, int buffer_length) {
    MallocExtension_GetStats(buffer, buffer_length);
  }

  // Appends a heap profile (docs/observability.md#heap-profiles): gzipped
  // protocol buffers, which `go tool pprof` and pprof read as they read
  // gperftools' text. Empty of samples unless those are taken:
  // "tcmalloc.sample_parameter", or memalloc's option sample_interval.
  void GetHeapSample(MallocExtensionWriter* writer) {
    AppendReport("profile", writer);
  }
  // The profile of what was allocated since memalloc_mark_profile().
  void GetHeapGrowthStacks(MallocExtensionWriter* writer) {
    AppendReport("profile_growth", writer);
  }

  bool GetNumericProperty(const char* property, size_t* value) {
    return MallocExtension_GetNumericProperty(property, value) != 0;
  }
  bool SetNumericProperty(const char* property, size_t value) {
    return MallocExtension_SetNumericProperty(property, value) != 0;
  }

  void MarkThreadIdle() { MallocExtension_MarkThreadIdle(); }
  void MarkThreadBusy() { MallocExtension_MarkThreadBusy(); }
  void MarkThreadTemporarilyIdle() {
    MallocExtension_MarkThreadTemporarilyIdle();
  }

  void ReleaseToSystem(size_t num_bytes) {
    MallocExtension_ReleaseToSystem(num_bytes);
  }
  void ReleaseFreeMemory() { MallocExtension_ReleaseFreeMemory(); }
  void SetMemoryReleaseRate(double rate) {
    MallocExtension_SetMemoryReleaseRate(rate);
  }
  double GetMemoryReleaseRate() {
    return MallocExtension_GetMemoryReleaseRate();
  }

  size_t GetEstimatedAllocatedSize(size_t size) {
    return MallocExtension_GetEstimatedAllocatedSize(size);
  }
  size_t GetAllocatedSize(const void* p) {
    return MallocExtension_GetAllocatedSize(p);
  }
  size_t GetThreadCacheSize() { return MallocExtension_GetThreadCacheSize(); }
  Ownership GetOwnership(const void* p) {
    return static_cast<Ownership>(MallocExtension_GetOwnership(p));
  }

  // Free cells of each size: those in blocks have type "tcmalloc.central",
  // those that threads have ready "tcmalloc.thread".
  void GetFreeListSizes(std::vector<FreeListInfo>* v) {
    v->clear();
    if (memalloc_get_statistics == nullptr) return;
    struct memalloc_statistics statistics;
    memalloc_get_statistics(&statistics, sizeof(statistics));
    size_t below = 0;
    for (const struct memalloc_class_statistics& row : statistics.classes) {
      const size_t size = row.cell_size;
      v->push_back({below + 1, size, row.free * size, "tcmalloc.central"});
      v->push_back({below + 1, size, row.at_hand * size, "tcmalloc.thread"});
      below = size;
    }
  }

 private:
  MallocExtension() = default;

  static void AppendReport(const char* kind, std::string* writer) {
    memalloc_read_report(
        kind,
        [](void* argument, const char* data, size_t size) {
          static_cast<std::string*>(argument)->append(data, size);
        },
        writer);
  }
};

}  // namespace memalloc_compat

using memalloc_compat::MallocExtension;

#endif  // MEMALLOC_COMPAT_GPERFTOOLS_MALLOC_EXTENSION_H_
