// A look at any memory of the process, there or not: another thread may give it
// back, or it may be without access, at any moment. Layer: os.
//
// The kernel copies it, through a pipe, and stops where it cannot. That works
// in sandboxes which forbid process_vm_readv.

#ifndef MEMALLOC_OS_PROCESS_MEMORY_H_
#define MEMALLOC_OS_PROCESS_MEMORY_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

namespace memalloc::os {

// A part of memory.
struct Piece {
  uintptr_t start;
  size_t bytes;
};

enum class PageState : uint8_t {
  kNeverWritten,  // as the kernel gave it, if at all
  kShared,        // of a file, or of memory that is shared
  kOwn,           // the process's alone, in memory or swapped out
};

class ProcessMemory {
 public:
  static constexpr size_t kMaxBytes = size_t{64} << 10;
  static constexpr size_t kMaxPieces = 256;

  ProcessMemory();
  ProcessMemory(const ProcessMemory&) = delete;
  ProcessMemory& operator=(const ProcessMemory&) = delete;

  // False if there was no descriptor left, if the program closed one of ours
  // meanwhile, or if the kernel once refused a copy of what may be there. Then
  // nothing was copied, or not all.
  bool IsWhole() const;

  // Copies the pieces, kMaxPieces and kMaxBytes in all at most, one behind the
  // other: how many bytes. Fewer than there are if something cannot be read,
  // and perhaps some of what stands before that is left out.
  size_t Copy(const Piece* pieces, size_t count, char* to);

  // What the kernel knows of so many pages; false if it does not say.
  bool LookAtPages(uintptr_t start, size_t count, PageState* states);

 private:
  // A descriptor, and what it is of: the program may close it by mistake and
  // get the same number for a file of its own.
  class File {
   public:
    ~File();
    void Take(int descriptor);
    bool IsOpen() const;
    int descriptor() const { return descriptor_; }

   private:
    int descriptor_ = -1;
    dev_t device_ = 0;
    ino_t number_ = 0;
  };

  File reads_;
  File writes_;
  File page_map_;
  bool has_failed_ = false;
};

}  // namespace memalloc::os

#endif  // MEMALLOC_OS_PROCESS_MEMORY_H_
