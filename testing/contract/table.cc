// The table itself. Rows stand in the order of the questions a programmer asks:
// what does a size give, where is the result, does realloc keep it, is it zero,
// what may free change, what does C++ add, what can be asked. POSIX, the C
// standard (N3220) and the C++ standard decide; where they leave a choice,
// glibc's behaviour is the contract. Read-only data.

#include "testing/contract/table.h"

#include "testing/contract/rows.h"

namespace contract {

const std::vector<Row>& Table() {
  constexpr auto kOnce = Row::Scope::kOnce;
  constexpr auto kEach = Row::Scope::kEveryEntry;
  constexpr auto kEachOfC = Row::Scope::kEveryCEntry;
  const LibcDifference aligned_new_wraps = {
      "aligned operator new rounds the size up past SIZE_MAX and succeeds",
      LibcAlignedNewWrapsAround, [](const Entry& e) { return e.aligned_new; }};
  const LibcDifference aligned_alloc_rounds = {
      "aligned_alloc rounds the alignment up as memalign does",
      LibcAlignedAllocRoundsAlignmentUp, nullptr};

  const LibcDifference lacks_symbols = {
      "free_sized, free_aligned_sized, __posix_memalign do not exist",
      LibcLacksSymbols, nullptr};

  const LibcDifference takes_unknown = {"mallopt answers 1 to any parameter",
                                        LibcMalloptTakesUnknownParameters,
                                        nullptr};
  const LibcDifference has_no_options = {"memalloc's own calls do not exist",
                                         LibcHasNoHardLimit, nullptr};

  const LibcDifference sets_errno = {
      "posix_memalign sets errno to ENOMEM as well", LibcPosixMemalignSetsErrno,
      nullptr};

  static const auto* table = new std::vector<Row>{
      // What sizes give.
      {"AllocatorIsTheExpectedOne", "this test's own precondition", kOnce,
       AllocatorIsTheExpectedOne},
      {"SymbolsThatLibcLacksExist", "C23 7.24.3.4-5; glibc before 2.26", kOnce,
       SymbolsThatLibcLacksExist, lacks_symbols},
      {"ResultIsOwnedByWhoIsInCharge", "interposition is complete", kEach,
       ResultIsOwnedByWhoIsInCharge},
      {"ZeroSizeIsUniqueAndFreeable", "C 7.24.3p1; glibc: unique", kEach,
       ZeroSizeIsUniqueAndFreeable},
      {"CallocOfZeroIsUniqueAndFreeable", "C 7.24.3.2; glibc: unique", kOnce,
       CallocOfZeroIsUniqueAndFreeable},
      {"ImpossibleSizeFails", "POSIX malloc ERRORS: ENOMEM", kEach,
       ImpossibleSizeFails, aligned_new_wraps},
      {"EverySizeNearTheEndFails", "POSIX malloc ERRORS: ENOMEM", kOnce,
       EverySizeNearTheEndFails},
      {"ImpossibleCountTimesSizeFails", "C 7.24.3.2, POSIX reallocarray", kOnce,
       ImpossibleCountTimesSizeFails},
      {"FailureLeavesHeapUsable", "C 7.24.3", kEach, FailureLeavesHeapUsable},

      // Where results are.
      {"ResultIsAligned", "C 7.24.3p1: max_align_t", kEach, ResultIsAligned},
      {"AlignmentUpToOneGiB", "C 7.24.3.1", kOnce, AlignmentUpToOneGiB},
      {"AlignedBlocksDoNotOverlap", "C 7.24.3p1", kOnce,
       AlignedBlocksDoNotOverlap},
      {"AlignmentAndSizeOverflow", "POSIX posix_memalign: ENOMEM", kOnce,
       AlignmentAndSizeOverflow},
      {"PosixMemalignRejectsAlignment", "POSIX posix_memalign: EINVAL", kOnce,
       PosixMemalignRejectsAlignment},
      {"PosixMemalignErrorTouchesNothing", "POSIX.1-2024 posix_memalign", kOnce,
       PosixMemalignErrorTouchesNothing, sets_errno},
      {"AlignedAllocRejectsNonPowerOfTwo", "C 7.24.3.1; glibc 2.38: EINVAL",
       kOnce, AlignedAllocRejectsNonPowerOfTwo, aligned_alloc_rounds},
      {"AlignedAllocTakesAnySize", "C17 DR 460", kOnce,
       AlignedAllocTakesAnySize},
      {"MemalignRoundsAlignmentUp", "glibc memalign", kOnce,
       MemalignRoundsAlignmentUp},
      {"MemalignRejectsUnroundableAlignment", "glibc memalign: EINVAL", kOnce,
       MemalignRejectsUnroundableAlignment},
      {"PageFunctionsGivePages", "glibc valloc, pvalloc", kOnce,
       PageFunctionsGivePages},

      // Does realloc keep it?
      {"ReallocOfNullIsMalloc", "C 7.24.3.7p3", kOnce, ReallocOfNullIsMalloc},
      {"ReallocToZeroFrees", "glibc: frees, returns null, errno kept", kOnce,
       ReallocToZeroFrees},
      {"ReallocKeepsContents", "C 7.24.3.7p2", kEachOfC, ReallocKeepsContents},
      {"ReallocKeepsContentsAtEachLimit", "C 7.24.3.7p2", kOnce,
       ReallocKeepsContentsAtEachLimit},
      {"ReallocKeepsNeighbours", "C 7.24.3.7p2", kOnce, ReallocKeepsNeighbours},
      {"ReallocByEightBytes", "C 7.24.3.7p2", kOnce, ReallocByEightBytes},
      {"ReallocTooLargeKeepsBlock", "C 7.24.3.7p3", kEachOfC,
       ReallocTooLargeKeepsBlock},
      {"ReallocarrayOverflowKeepsBlock", "POSIX reallocarray", kOnce,
       ReallocarrayOverflowKeepsBlock},

      // Is it zero?
      {"CallocZeroesDirtyMemory", "C 7.24.3.2p2", kEach,
       CallocZeroesDirtyMemory},
      {"CallocZeroesAfterTrim", "C 7.24.3.2p2", kOnce, CallocZeroesAfterTrim},
      {"CallocZeroesWhatReallocLeft", "C 7.24.3.2p2", kOnce,
       CallocZeroesWhatReallocLeft},
      {"CallocZeroesWhatOtherThreadsLeft", "C 7.24.3.2p2", kOnce,
       CallocZeroesWhatOtherThreadsLeft},

      // What may free change?
      {"FreeOfNullDoesNothing", "C 7.24.3.3p2, C++ [new.delete]", kOnce,
       FreeOfNullDoesNothing},
      {"ReleaseKeepsErrno", "POSIX.1-2024 free", kEach, ReleaseKeepsErrno},
      {"ReleaseByOtherThreadKeepsErrno", "POSIX.1-2024 free", kEach,
       ReleaseByOtherThreadKeepsErrno},
      {"ManyReleasesKeepErrno", "POSIX.1-2024 free", kOnce,
       ManyReleasesKeepErrno},
      {"UsableSizeHolds", "malloc_usable_size(3)", kEach, UsableSizeHolds},
      {"UsableSizeOfNullIsZero", "malloc_usable_size(3)", kOnce,
       UsableSizeOfNullIsZero},
      {"SizedReleaseAfterUsableSize", "C23 7.24.3.4", kEach,
       SizedReleaseAfterUsableSize},
      {"SizedReleaseAfterReallocOrMemalign", "C23 7.24.3.4", kOnce,
       SizedReleaseAfterReallocOrMemalign},
      {"FreedMemoryIsReused", "C 7.24.3.3p2", kEach, FreedMemoryIsReused},

      // What does C++ add?
      {"NewCallsHandlerUntilItGivesUp", "C++ [new.delete.single]p4", kEach,
       NewCallsHandlerUntilItGivesUp},
      {"NewHandlerMayThrow", "C++ [new.handler]p2", kEach, NewHandlerMayThrow},
      {"NewHandlerMayMakeRoom", "C++ [new.handler]p2", kEach,
       NewHandlerMayMakeRoom},
      {"NewArrayExpressionOverflowThrows", "C++ [expr.new]p9", kOnce,
       NewArrayExpressionOverflowThrows},
      {"OveralignedTypesAndContainers", "C++ [expr.new]p14", kOnce,
       OveralignedTypesAndContainers},

      // What can be asked?
      {"InfoCallsAnswer", "malloc_trim(3)", kOnce, InfoCallsAnswer},
      {"MallinfoSeesLiveMemory", "mallinfo(3)", kOnce, MallinfoSeesLiveMemory},
      {"MallocInfoWritesXml", "malloc_info(3)", kOnce, MallocInfoWritesXml},
      {"MallocStatsWritesToStderr", "malloc_stats(3)", kOnce,
       MallocStatsWritesToStderr},
      {"TrimKeepsContentsAndErrno", "malloc_trim(3)", kOnce,
       TrimKeepsContentsAndErrno},

      // What can be set?
      {"MalloptTakesWhatGlibcTakes", "mallopt(3)", kOnce,
       MalloptTakesWhatGlibcTakes},
      {"MalloptRefusesUnknownParameters", "mallopt(3): 0 on error", kOnce,
       MalloptRefusesUnknownParameters, takes_unknown},
      {"MalloptLeavesTheHeapUsable", "mallopt(3)", kOnce,
       MalloptLeavesTheHeapUsable},
      {"MalloptSetsOptions", "docs/tuning.md", kOnce, MalloptSetsOptions,
       has_no_options},
      {"OptionsAreSetAndRead", "memalloc.h", kOnce, OptionsAreSetAndRead,
       has_no_options},
      {"HardLimitGivesEnomem", "docs/tuning.md", kEach, HardLimitGivesEnomem,
       has_no_options},
  };
  return *table;
}

}  // namespace contract
