// Files on the fake kernel: what memalloc/os/os.h declares of them.

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "memalloc/base/math.h"
#include "memalloc/os/os.h"
#include "testing/unit/fake_os_state.h"

namespace memalloc::os {
namespace {

using fake_os::LockedState;

constexpr int kFirstFakeDescriptor = 1000;

}  // namespace

size_t ReadFile(const char* path, char* text, size_t size) {
  const LockedState state;
  const auto found = state->files.find(path);
  const std::string& held = found == state->files.end() ? "" : found->second;
  const size_t length = Min(held.size(), size - 1);
  memcpy(text, held.data(), length);
  text[length] = '\0';
  return length;
}

uintptr_t MapFile(const char* /*path*/, size_t* /*bytes*/) { return 0; }

void AppendToFile(const char* path, const char* data, size_t bytes) {
  LockedState()->appended.append(path).append(": ").append(data, bytes);
}

void WriteToStderr(const char* data, size_t bytes) {
  WriteAll(kStderrDescriptor, data, bytes);
}

bool IsSpecialFile(const char*) { return false; }

int OpenNew(const char* path, int* error) {
  const LockedState state;
  *error = state->refuses_files            ? EACCES
           : state->files.count(path) != 0 ? EEXIST
                                           : 0;
  if (*error != 0) return -1;
  state->files[path];
  state->open_files.emplace_back(path);
  return kFirstFakeDescriptor + static_cast<int>(state->open_files.size()) - 1;
}

int OpenSpecial(const char*, int* error) {
  *error = ENXIO;
  return -1;
}

int Rename(const char* from, const char* to) {
  const LockedState state;
  state->files[to] = state->files.at(from);
  state->files.erase(from);
  return 0;
}

void Unlink(const char* path) { LockedState()->files.erase(path); }

int WriteAll(int descriptor, const char* data, size_t bytes) {
  if (descriptor >= kFirstFakeDescriptor) {
    const auto& before_each_write = fake_os::TheState().before_each_write;
    if (before_each_write) before_each_write();
    const LockedState state;
    const auto index = static_cast<size_t>(descriptor - kFirstFakeDescriptor);
    state->files[state->open_files.at(index)].append(data, bytes);
    return 0;
  }
  while (bytes > 0) {
    const ssize_t n = write(descriptor, data, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return EIO;
    data += n;
    bytes -= static_cast<size_t>(n);
  }
  return 0;
}

void Close(int descriptor) {
  const LockedState state;
  const auto index = static_cast<size_t>(descriptor - kFirstFakeDescriptor);
  std::string& path = state->open_files.at(index);
  if (path.empty()) fake_os::Complain("closed twice", index, 0);
  path.clear();
}

int MakeFile(const char* path) {
  const LockedState state;
  if (state->refuses_files) return EACCES;
  return state->files.emplace(path, "").second ? 0 : EEXIST;
}

// What is written there is not in State::files.
uintptr_t MapFilePart(const char* path, uint64_t /*offset*/, size_t bytes,
                      int* error) {
  const LockedState state;
  *error = state->refuses_files       ? ENOSPC
           : state->files.count(path) ? 0
                                      : ENOENT;
  if (*error != 0) return 0;
  return reinterpret_cast<uintptr_t>(mmap(nullptr, bytes,
                                          PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

void UnmapFilePart(uintptr_t start, size_t bytes) {
  munmap(reinterpret_cast<void*>(start), bytes);
}

}  // namespace memalloc::os
