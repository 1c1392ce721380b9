// Everything the allocator asks of the kernel. Layer: os.
//
// os.cc is the only file of the project's library with system calls;
// testing/unit/fake_os.cc stands in for it in unit tests (it fails the n-th
// call, moves the break, returns gaps). Every function is thread-safe and
// leaves errno as it was; none allocates with malloc.

#ifndef MEMALLOC_OS_OS_H_
#define MEMALLOC_OS_OS_H_

#include <stddef.h>
#include <stdint.h>

#include <atomic>

namespace memalloc::os {

// The page size in bytes, a power of two; read at run time (4, 16 or 64 KiB).
size_t PageSize();

// A word of randomness that differs from one process image to the next.
uint64_t RandomWord();

// True in a program that runs with more rights than its caller (setuid and
// the like, AT_SECURE): no option of the environment counts there.
bool SecureExecution();

// The environment's entry `index`, "NAME=value", nullptr behind the last
// one (no index beyond that); also before libc has its environ.
const char* EnvironmentEntry(size_t index);

// The program break as it is now (brk(2)); any part of the program may have
// moved it since the last look.
uintptr_t CurrentBreak();

// Raises the break by `bytes` and returns where the new memory begins, 0 on
// failure. The result differs from CurrentBreak()'s last answer when somebody
// else moved the break in between.
uintptr_t GrowBreak(size_t bytes);

// Lowers the break by `bytes`, if it still stands at `top`. False otherwise.
bool LowerBreak(uintptr_t top, size_t bytes);

// Reserves `bytes` of address space without access, near `hint` if that is
// free (0: anywhere). 0 on failure.
uintptr_t Reserve(size_t bytes, uintptr_t hint);

// Makes reserved memory readable and writable; it reads as zero. On failure
// the range is reserved as it was or, by a kernel older than 6.12, unmapped:
// IsWhole tells which.
bool Commit(uintptr_t start, size_t bytes);

// Whether the range has no hole. A reservation for which Commit or RemapTo
// failed is still the caller's then; if it has one, it must not be touched any
// more, as another thread may be given the hole at any time. That is no proof:
// a hole that others have filled exactly since looks whole too.
bool IsWhole(uintptr_t start, size_t bytes);

// Takes all access to the range away, and gives it back with what the range
// held. False, with all as it was, if the kernel refuses.
bool Protect(uintptr_t start, size_t bytes);
bool Unprotect(uintptr_t start, size_t bytes);

// Asks for huge pages where the range has room for them, or for none. Advice:
// whether the kernel follows it is not known.
void AdviseHugePages(uintptr_t start, size_t bytes);
void AdviseSmallPages(uintptr_t start, size_t bytes);

// Gives the pages of the range back and keeps the range: what is read there
// next is zero. It must be the caller's, of the break or committed. False, with
// all as it was, if the kernel refuses (locked memory).
bool Purge(uintptr_t start, size_t bytes);

// Gives back a mapping or a part of one.
void Unmap(uintptr_t start, size_t bytes);

// Resizes the mapping at `start` where it stands. False if that cannot be.
bool RemapInPlace(uintptr_t start, size_t old_bytes, size_t new_bytes);

// Moves the mapping to `target` (a reservation of at least `new_bytes`) and
// resizes it. False on failure, with the mapping as it was; the reservation is
// as it was or unmapped, as after Commit.
bool RemapTo(uintptr_t start, size_t old_bytes, size_t new_bytes,
             uintptr_t target);

// Which pages of the range are resident: bit 0 of `pages`, a byte for each. The
// range must be mapped as a whole. False if the kernel does not say. A page
// that was only read counts too, though the kernel has one for all of them.
bool FindResident(uintptr_t start, size_t bytes, unsigned char* pages);

// System calls made so far, by kind.
enum class SystemCall : uint8_t {
  kBrk,
  kMmap,
  kMunmap,
  kMremap,
  kMadvise,
  kMprotect,
  kMincore,
  kFutex,  // not those of pthread's locks
  kFile,   // open, read, write and close
};
inline constexpr size_t kNumSystemCalls = 9;
uint64_t CountOf(SystemCall call);

// Resident bytes of the process now and at their peak; 0 when not known.
struct ResidentSize {
  uint64_t now;
  uint64_t peak;
};
ResidentSize GetResidentSize();

// Milliseconds of a clock that never goes back; not exact to a few of them.
uint64_t NowMilliseconds();

// Nanoseconds since 1970, for people.
uint64_t NowOnTheCalendar();

// How long the first write to the page at `address` takes. It writes a zero.
uint64_t NanosecondsToTouch(uintptr_t address);

// Waits while `word` has `value`, but not longer than `milliseconds` and
// perhaps less, until WakeAll after a change of the word.
void WaitWhile(const std::atomic<uint32_t>& word, uint32_t value,
               uint64_t milliseconds);
void WakeAll(const std::atomic<uint32_t>& word);

int ProcessId();
int ThreadId();             // of the running thread
const char* ProgramName();  // "" before libc knows it

// Reads the file at `path` as a text of less than `size` bytes and puts a zero
// behind it; its length, 0 if there is none.
size_t ReadFile(const char* path, char* text, size_t size);

// The file at `path`, mapped to be read, and its size; 0 if there is none or it
// is empty. Unmap gives it back.
uintptr_t MapFile(const char* path, size_t* bytes);

// Appends to the file at the absolute `path`, made with mode 0600 when it is
// missing, in one write. The descriptor is closed again.
void AppendToFile(const char* path, const char* data, size_t bytes);

void WriteToStderr(const char* data, size_t bytes);

// Whether a pipe, a terminal or the like has that path, or a link of the
// system's own, such as /dev/stdout.
bool IsSpecialFile(const char* path);
// A descriptor for WriteAll, above that of standard error; the caller closes
// it. -1 on failure, with an errno value in `error`. The first is for a new
// file of mode 0600, and fails where there is one; the second for a special
// file, and waits for nobody at its other end.
int OpenNew(const char* path, int* error);
int OpenSpecial(const char* path, int* error);
// Lets the file have the path in the place of what had it; 0 or an errno value.
int Rename(const char* from, const char* to);
void Unlink(const char* path);
// Writes all of it; 0 or an errno value.
int WriteAll(int descriptor, const char* data, size_t bytes);
void Close(int descriptor);
inline constexpr int kStderrDescriptor = 2;

// Makes an empty file with mode 0600 at `path`, where none may be. 0 or an
// errno value.
int MakeFile(const char* path);
// Room for `bytes` from `offset` on in the file, which grows as needed, mapped
// so that what is written there is in the file whatever becomes of the process.
// Zeros but where the file had something. 0 on failure, with an errno value in
// `error`. Both are multiples of 64 KiB; no descriptor is kept.
uintptr_t MapFilePart(const char* path, uint64_t offset, size_t bytes,
                      int* error);
void UnmapFilePart(uintptr_t start, size_t bytes);

// Calls `handler` at that signal from now on. False if there is no such signal.
bool HandleSignal(int signal, void (*handler)(int));
// Gives it back to whom it was taken from, unless somebody else has it by now;
// of one signal at a time.
void ReturnSignal(int signal, void (*handler)(int));

}  // namespace memalloc::os

#endif  // MEMALLOC_OS_OS_H_
