// What programs commonly call of the class MallocExtension of Google's
// tcmalloc, on memalloc, for those that include "tcmalloc/malloc_extension.h".
// Sizes are bytes; all are thread-safe, but not for signal handlers.
//
// std::string_view and std::optional stand for Abseil's, which are the same
// since C++17. Not here: Profile (GetHeapProfile writes pprof's format
// instead), AddressRegionFactory, limits of caches, background release rates in
// bytes.

#ifndef MEMALLOC_COMPAT_TCMALLOC_MALLOC_EXTENSION_H_
#define MEMALLOC_COMPAT_TCMALLOC_MALLOC_EXTENSION_H_

#include <stddef.h>
#include <stdint.h>

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "memalloc/compat/gperftools/malloc_extension_c.h"
#include "memalloc/compat/memalloc_report.h"
#include "memalloc/memalloc.h"

namespace tcmalloc {

class MallocExtension final {
 public:
  // memalloc's statistics as text (docs/observability.md#statistics).
  static std::string GetStats() { return Report("stats"); }

  // Memalloc's own: a heap profile (docs/observability.md#heap-profiles),
  // gzipped protocol buffers for pprof.
  static std::string GetHeapProfile() { return Report("profile"); }

  // The properties of docs/moving.md. "generic.heap_size" is without what went
  // back to the system.
  static std::optional<size_t> GetNumericProperty(std::string_view property) {
    const std::string name(property);
    size_t value;
    if (MallocExtension_GetNumericProperty(name.c_str(), &value) == 0) {
      return std::nullopt;
    }
    if (name == "generic.heap_size") {
      const size_t without = Get("tcmalloc.pageheap_unmapped_bytes");
      value -= without < value ? without : value;
    }
    return value;
  }

  struct Property {
    size_t value;
  };
  static std::map<std::string, Property> GetProperties() {
    std::map<std::string, Property> properties;
    for (const char* name :
         {"generic.current_allocated_bytes", "generic.heap_size",
          "generic.total_physical_bytes", "tcmalloc.central_cache_free_bytes",
          "tcmalloc.current_total_thread_cache_bytes",
          "tcmalloc.pageheap_free_bytes", "tcmalloc.pageheap_unmapped_bytes",
          "tcmalloc.transfer_cache_free_bytes"}) {
      if (const auto value = GetNumericProperty(name)) {
        properties[name] = {*value};
      }
    }
    return properties;
  }

  // No effect: what a thread does not use is given back by others.
  static void MarkThreadIdle() {}
  static void MarkThreadBusy() {}

  // Gives back all free memory: malloc_trim(0).
  static void ReleaseMemoryToSystem(size_t num_bytes) {
    MallocExtension_ReleaseToSystem(num_bytes);
  }

  // memalloc's options soft_limit and hard_limit. Above the hard one malloc
  // returns null; tcmalloc ends the process. More than 2^46 is no limit.
  enum class LimitKind { kSoft, kHard };
  static void SetMemoryLimit(size_t limit, LimitKind kind) {
    constexpr uint64_t kMost = uint64_t{1} << 46;
    const bool is_none = limit > kMost;
    MallocExtension_SetNumericProperty(NameOf(kind), is_none ? 0 : limit);
  }
  static size_t GetMemoryLimit(LimitKind kind) {
    const size_t limit = Get(NameOf(kind));
    return limit == 0 ? std::numeric_limits<size_t>::max() : limit;
  }

  // memalloc's option sample_interval; 0 takes no samples.
  static void SetProfileSamplingInterval(int64_t interval) {
    MallocExtension_SetNumericProperty(
        "tcmalloc.sample_parameter",
        interval < 0 ? 0 : static_cast<size_t>(interval));
  }
  static int64_t GetProfileSamplingInterval() {
    return static_cast<int64_t>(Get("tcmalloc.sample_parameter"));
  }

  // The thread that gives memory back is memalloc's; the call returns at once.
  static bool NeedsProcessBackgroundActions() { return true; }
  static void ProcessBackgroundActions() {
    if (memalloc_start_background_thread != nullptr) {
      memalloc_start_background_thread();
    }
  }

  // What malloc makes usable for `size`; `size` if there can be no such
  // allocation.
  static size_t GetEstimatedAllocatedSize(size_t size) {
    return MallocExtension_GetEstimatedAllocatedSize(size);
  }
  // malloc_usable_size; nullopt for null.
  static std::optional<size_t> GetAllocatedSize(const void* p) {
    if (p == nullptr) return std::nullopt;
    return MallocExtension_GetAllocatedSize(p);
  }

  // Owned is any address in memory of memalloc, allocated or not.
  enum class Ownership { kUnknown = 0, kOwned, kNotOwned };
  static Ownership GetOwnership(const void* p) {
    return static_cast<Ownership>(MallocExtension_GetOwnership(p));
  }

 private:
  static const char* NameOf(LimitKind kind) {
    return kind == LimitKind::kSoft ? "memalloc.soft_limit"
                                    : "memalloc.hard_limit";
  }

  static size_t Get(const char* property) {
    size_t value = 0;
    MallocExtension_GetNumericProperty(property, &value);
    return value;
  }

  static std::string Report(const char* kind) {
    std::string text;
    memalloc_read_report(
        kind,
        [](void* argument, const char* data, size_t size) {
          static_cast<std::string*>(argument)->append(data, size);
        },
        &text);
    return text;
  }
};

}  // namespace tcmalloc

#endif  // MEMALLOC_COMPAT_TCMALLOC_MALLOC_EXTENSION_H_
