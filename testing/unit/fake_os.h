// A kernel for tests, in the place of memalloc/os/os.cc.
//
// Link it with //memalloc:core_without_os. It has a program break and an
// address space of its own inside one reservation, so that a test decides
// where the break stands, who else moves it, which call fails and how much
// memory there is. Addresses repeat from run to run relative to the
// reservation.
//
// It keeps the core to os.h's contract: a call for pages that are not the
// core's (committing what is not reserved, unmapping what is not mapped, sizes
// that are no multiple of the page size) ends the process with a message.
//
// Everything is thread-safe. A process has one fake kernel and it does not
// forget, unless it is told to begin anew: run each test in a fresh process
// (fresh_process.h).

#ifndef TESTING_UNIT_FAKE_OS_H_
#define TESTING_UNIT_FAKE_OS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "memalloc/os/faults.h"

namespace memalloc::fake_os {

// The calls that can fail, as os.h names them.
enum class Call {
  kCurrentBreak,
  kGrowBreak,
  kLowerBreak,
  kReserve,
  kCommit,
  kRemapInPlace,
  kRemapTo,
  kPurge,
  kProtect,
  kUnprotect,
};
inline constexpr int kNumCalls = 10;
const char* Name(Call call);

// ---- before the core's first call ----

// 4, 16 or 64 KiB; if not said, what the variable FAKE_OS_PAGE_SIZE says, or
// 4 KiB.
void SetPageSize(size_t bytes);

// The break begins `offset` bytes behind a multiple of the arena's size; 0x1234
// if not said: like the kernel's, it is not aligned to anything.
void PlaceBreak(size_t offset);

// Kernels before 6.12 unmap the range of a commitment, or the target of a move,
// before they refuse it; newer ones leave it reserved, as this one does if not
// said.
void RefusalsLeaveHoles();

// Takes all memory back and forgets all that was; for who makes the core forget
// it too. No other thread may be in a call.
void BeginAnew();

// All the addresses there are.
struct AddressRange {
  uintptr_t start;
  size_t bytes;
};
AddressRange Reservation();

// ---- shortage ----

// The `nth` of these calls from now on (1 is the next) fails, and all after it
// up to `times` in a row.
inline constexpr size_t kForEver = SIZE_MAX;
void Fail(Call call, size_t nth, size_t times = 1);

// The same for calls of any kind.
void FailAny(size_t nth, size_t times = 1);

// How many calls failed because of these two.
size_t CountRefused();

// Whether a call failed because Fail or FailAny asked for it, because of the
// limits below, or because there was no room.
bool HasFailed();

// Something stands above the break: it rises by `bytes` more and no further.
void LimitBreak(size_t bytes);

// The process may have `bytes` of usable memory in all (RLIMIT_DATA).
void LimitMemory(size_t bytes);

// Calls work again and limits are lifted.
void EndShortage();

// ---- time ----

// The clock stands still but for this; whoever waits for it is woken.
void PassTime(uint64_t milliseconds);
// How long each touch takes that the core measures from now on.
void SetTimeToTouch(uint64_t nanoseconds);

// ---- other parts of the program ----

// Another part of the program raises the break and fills what it got. Returns
// the start of that.
uintptr_t ForeignSbrk(size_t bytes);

// Whether all that ForeignSbrk got is as it left it
// (//testing/contract:pattern: of much memory a part is looked at).
bool ForeignMemoryIsIntact();

// The holes that refusals left go to other parts of the program. Returns how
// many bytes.
size_t TakeLostPages();

// ---- in between ----

// Runs once, before the next such call looks at anything, or after it is done.
void Before(Call call, std::function<void()> action);
void After(Call call, std::function<void()> action);

// ---- what the core did ----

size_t Count(Call call);
// Calls of all kinds that can fail.
size_t CountAll();

// Bytes for which the core asked for huge pages, and for small ones.
size_t BytesAdvisedHuge();
size_t BytesAdvisedSmall();

// Bytes of all calls of Purge that were not refused.
size_t PurgedBytes();

uintptr_t BreakNow();
// Bytes of mappings, with access or without.
size_t MappedBytes();
// Bytes that the core may use: of the break, without what others took, and of
// mappings.
size_t UsableBytes();

// How often the core asked which thread runs.
size_t CountThreadIds();

// ---- faults ----

// Whether the core watches faults, and what it is shown if it does.
bool FaultsAreWatched();
void ShowFault(const os::Fault& fault);

// ---- what the core reads and writes ----

void SetEnvironment(const std::string& name, const std::string& value);
void SetSecureExecution(bool secure);
// A file to be read.
void SetFile(const std::string& path, const std::string& text);
// What was appended to files, as "path: text".
std::string Appended();
// What was written to the file, and files that are still open for that.
std::string Written(const std::string& path);
bool HasFile(const std::string& path);
size_t OpenFiles();
// How many files there are.
size_t Files();
// Lets no file be opened to write to it.
void RefuseFiles();
// Runs before anything is written to a file.
void BeforeEachWrite(std::function<void()> action);

}  // namespace memalloc::fake_os

#endif  // TESTING_UNIT_FAKE_OS_H_
