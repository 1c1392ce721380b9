// The rows of the contract, declared; table.cc says what each is about.
//
// A row that holds for every entry gets the entry; the others ignore it. Rows
// check with GoogleTest's EXPECT and ASSERT and release what they allocate.
// They run one after another on the main thread (some start threads and join
// them), so no row needs locking. The definitions are in rows_*.cc by theme.

#ifndef TESTING_CONTRACT_ROWS_H_
#define TESTING_CONTRACT_ROWS_H_

#include "testing/contract/entries.h"

namespace contract {

// rows_sizes.cc: what sizes give.
void AllocatorIsTheExpectedOne(const Entry&);
void SymbolsThatLibcLacksExist(const Entry&);
void LibcLacksSymbols(const Entry&);
void ResultIsOwnedByWhoIsInCharge(const Entry& entry);
void ZeroSizeIsUniqueAndFreeable(const Entry& entry);
void CallocOfZeroIsUniqueAndFreeable(const Entry&);
void ImpossibleSizeFails(const Entry& entry);
void EverySizeNearTheEndFails(const Entry&);
void LibcAlignedNewWrapsAround(const Entry& entry);
void ImpossibleCountTimesSizeFails(const Entry&);
void FailureLeavesHeapUsable(const Entry& entry);

// rows_alignment.cc: where results are.
void ResultIsAligned(const Entry& entry);
void AlignmentUpToOneGiB(const Entry&);
void AlignedBlocksDoNotOverlap(const Entry&);
void AlignmentAndSizeOverflow(const Entry&);
void PosixMemalignRejectsAlignment(const Entry&);
void PosixMemalignErrorTouchesNothing(const Entry&);
void LibcPosixMemalignSetsErrno(const Entry&);
void AlignedAllocRejectsNonPowerOfTwo(const Entry&);
void LibcAlignedAllocRoundsAlignmentUp(const Entry&);
void AlignedAllocTakesAnySize(const Entry&);
void MemalignRoundsAlignmentUp(const Entry&);
void MemalignRejectsUnroundableAlignment(const Entry&);
void PageFunctionsGivePages(const Entry&);

// rows_realloc.cc: moving between sizes.
void ReallocOfNullIsMalloc(const Entry&);
void ReallocToZeroFrees(const Entry&);
void ReallocKeepsContents(const Entry& entry);
void ReallocKeepsContentsAtEachLimit(const Entry&);
void ReallocKeepsNeighbours(const Entry&);
void ReallocByEightBytes(const Entry&);
void ReallocTooLargeKeepsBlock(const Entry& entry);
void ReallocarrayOverflowKeepsBlock(const Entry&);

// rows_zero.cc: calloc.
void CallocZeroesDirtyMemory(const Entry& entry);
void CallocZeroesAfterTrim(const Entry&);
void CallocZeroesWhatReallocLeft(const Entry&);
void CallocZeroesWhatOtherThreadsLeft(const Entry&);

// rows_free.cc: giving back.
void FreeOfNullDoesNothing(const Entry&);
void ReleaseKeepsErrno(const Entry& entry);
void ReleaseByOtherThreadKeepsErrno(const Entry& entry);
void ManyReleasesKeepErrno(const Entry&);
void UsableSizeHolds(const Entry& entry);
void UsableSizeOfNullIsZero(const Entry&);
void SizedReleaseAfterUsableSize(const Entry& entry);
void SizedReleaseAfterReallocOrMemalign(const Entry&);
void FreedMemoryIsReused(const Entry& entry);

// rows_new.cc: what C++ adds.
void NewCallsHandlerUntilItGivesUp(const Entry& entry);
void NewHandlerMayThrow(const Entry& entry);
void NewHandlerMayMakeRoom(const Entry& entry);
void NewArrayExpressionOverflowThrows(const Entry&);
void OveralignedTypesAndContainers(const Entry&);

// rows_info.cc: questions about the heap.
void InfoCallsAnswer(const Entry&);
void MallinfoSeesLiveMemory(const Entry&);
void MallocInfoWritesXml(const Entry&);
void MallocStatsWritesToStderr(const Entry&);
void TrimKeepsContentsAndErrno(const Entry&);

// rows_tuning.cc: what can be set.
void MalloptTakesWhatGlibcTakes(const Entry&);
void MalloptRefusesUnknownParameters(const Entry&);
void LibcMalloptTakesUnknownParameters(const Entry&);
void MalloptLeavesTheHeapUsable(const Entry&);
void MalloptSetsOptions(const Entry&);
void OptionsAreSetAndRead(const Entry&);
void HardLimitGivesEnomem(const Entry& entry);
void LibcHasNoHardLimit(const Entry&);

}  // namespace contract

#endif  // TESTING_CONTRACT_ROWS_H_
