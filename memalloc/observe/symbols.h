// Names of functions, from the symbol tables of files. Layer: observe.
//
// Readers of profiles look for names by themselves, but `go tool pprof` only in
// debugging information, and others may not have the files.

#ifndef MEMALLOC_OBSERVE_SYMBOLS_H_
#define MEMALLOC_OBSERVE_SYMBOLS_H_

#include <stddef.h>
#include <stdint.h>

#include "memalloc/observe/mappings.h"

namespace memalloc {

// An ELF file, mapped to be read.
class SymbolFile {
 public:
  // The file of a mapping. One that cannot be read has no names.
  explicit SymbolFile(const Mapping& mapping);
  ~SymbolFile();
  SymbolFile(const SymbolFile&) = delete;
  SymbolFile& operator=(const SymbolFile&) = delete;

  // The names of the functions that hold these addresses of the mapping, which
  // are in order; what has none stays as it is. They are there as long as the
  // object.
  void Find(const uintptr_t* addresses, size_t count, const char** names) const;

  // What is added to an address in the file, as its symbols have it, to get
  // that in memory. False if that cannot be told.
  bool FindBias(uintptr_t* bias) const;

 private:
  // So many objects at the offset in the file; null if they reach beyond it.
  template <typename T>
  const T* At(uint64_t offset, uint64_t count) const {
    if (offset > size_ || count > (size_ - offset) / sizeof(T)) return nullptr;
    return reinterpret_cast<const T*>(file_ + offset);
  }
  Mapping mapping_;
  uintptr_t file_ = 0;
  size_t size_ = 0;
};

}  // namespace memalloc

#endif  // MEMALLOC_OBSERVE_SYMBOLS_H_
