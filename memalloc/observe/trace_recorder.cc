// Who writes into which chunk of the trace; see trace_recorder.h.
//
// The file is opened for each chunk anew, so that no descriptor is kept that
// the program might close. It is never one that is there already: a process
// that forks or executes another has the same path.

#include "memalloc/observe/trace_recorder.h"

#include <errno.h>
#include <string.h>

#include <atomic>

#include "memalloc/base/attributes.h"
#include "memalloc/base/line_buffer.h"
#include "memalloc/base/math.h"
#include "memalloc/observe/trace_format.h"
#include "memalloc/observe/trace_writer.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/path_options.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

using trace::ChunkHeader;
using trace::FileHeader;
using trace::Writer;

// ---- the process's file ----

enum FileState : uint32_t { kNoFile, kBeingMade, kMade };

// A child begins with none. Release pairs with the acquire of who writes.
std::atomic<uint32_t> g_file_state{kNoFile};
FileHeader* g_file;
char g_file_name[Path::kMaxLength + 32];

std::atomic<uint64_t> g_last_number{0};
std::atomic<uint32_t> g_last_thread{0};

// Chunks with room that ended threads left.
constexpr size_t kParkingPlaces = 64;
std::atomic<ChunkHeader*> g_parked[kParkingPlaces];

// ---- the thread's part of it ----

MEMALLOC_TLS ChunkHeader* t_chunk = nullptr;
MEMALLOC_TLS uint32_t t_thread = 0;  // 0: not known yet
MEMALLOC_TLS bool t_has_ended = false;

uint64_t TakeNumber() {
  // The order is that of this one variable; who frees does so before or after.
  return g_last_number.fetch_add(1, std::memory_order_acq_rel) + 1;
}

void GiveUp(const char* path, int error) {
  StopWatching();
  LineBuffer line;
  line.Text("memalloc: cannot write trace to ").Text(path);
  line.Text(": error ").Decimal(static_cast<uint64_t>(error));
  line.Text("; see docs/errors.md#cannot-write").EndLine();
  os::WriteToStderr(line.data(), line.size());
}

// PATH, or if that is there PATH.PID, PATH.PID.1 and so on.
void NameFile(const char* path, int attempt) {
  LineBuffer digits;
  if (attempt > 0) {
    digits.Char('.').Decimal(static_cast<uint64_t>(os::ProcessId()));
  }
  if (attempt > 1) digits.Char('.').Decimal(static_cast<uint64_t>(attempt - 1));
  const size_t length = strlen(path);
  memcpy(g_file_name, path, length);
  memcpy(g_file_name + length, digits.data(), digits.size());
  g_file_name[length + digits.size()] = '\0';
}

void* MapChunk(size_t index, int* error) {
  return reinterpret_cast<void*>(os::MapFilePart(
      g_file_name, index * trace::kChunkBytes, trace::kChunkBytes, error));
}
void UnmapChunk(void* chunk) {
  os::UnmapFilePart(reinterpret_cast<uintptr_t>(chunk), trace::kChunkBytes);
}

void NameProgram(FileHeader* file) {
  const char* name = os::ProgramName();
  if (name[0] != '\0') {
    memcpy(file->program, name, Min(strlen(name), sizeof(file->program) - 1));
    return;
  }
  // libc does not know it yet; the kernel does, cut to 15 bytes.
  const size_t length =
      os::ReadFile("/proc/self/comm", file->program, sizeof(file->program));
  if (length > 0) file->program[length - 1] = '\0';  // the end of the line
}

// By one thread. Null, with recording at its end, if that cannot be.
FileHeader* MakeFile() {
  constexpr int kMaxAttempts = 100;
  const Path path = ExpandPath(GetPath(PathOption::kTrace).text);
  int error = EEXIST;
  for (int i = 0; error == EEXIST && i < kMaxAttempts; ++i) {
    NameFile(path.text, i);
    error = os::MakeFile(g_file_name);
  }
  auto* file =
      error == 0 ? static_cast<FileHeader*>(MapChunk(0, &error)) : nullptr;
  if (file == nullptr) {
    GiveUp(path.text, error);
    return nullptr;
  }
  file->version = trace::kVersion;
  file->chunk_bytes = trace::kChunkBytes;
  file->process_id = static_cast<uint32_t>(os::ProcessId());
  file->chunks.store(1, std::memory_order_relaxed);
  NameProgram(file);
  // Last: without it there is no trace.
  memcpy(file->magic, trace::kFileMagic, sizeof(file->magic));
  return file;
}

// The file's header; null if there is none to be had.
FileHeader* TheFile() {
  uint32_t state = g_file_state.load(std::memory_order_acquire);
  if (state == kNoFile && g_file_state.compare_exchange_strong(
                              state, kBeingMade, std::memory_order_acquire)) {
    g_file = MakeFile();
    g_file_state.store(kMade, std::memory_order_release);
    os::WakeAll(g_file_state);
  }
  constexpr uint64_t kMilliseconds = 10;
  while (g_file_state.load(std::memory_order_acquire) == kBeingMade) {
    os::WaitWhile(g_file_state, kBeingMade, kMilliseconds);
  }
  return g_file;
}

// ---- chunks ----

ChunkHeader* TakeParked() {
  for (std::atomic<ChunkHeader*>& place : g_parked) {
    if (place.load(std::memory_order_relaxed) == nullptr) continue;
    ChunkHeader* chunk = place.exchange(nullptr, std::memory_order_acquire);
    if (chunk != nullptr) return chunk;
  }
  return nullptr;
}

void Park(ChunkHeader* chunk) {
  for (std::atomic<ChunkHeader*>& place : g_parked) {
    ChunkHeader* nothing = nullptr;
    if (place.compare_exchange_strong(nothing, chunk, std::memory_order_release,
                                      std::memory_order_relaxed)) {
      return;
    }
  }
  UnmapChunk(chunk);
}

ChunkHeader* NewChunk(uint64_t number) {
  FileHeader* file = TheFile();
  if (file == nullptr) return nullptr;
  const uint32_t index = file->chunks.fetch_add(1, std::memory_order_relaxed);
  int error;
  auto* chunk = static_cast<ChunkHeader*>(MapChunk(index, &error));
  if (chunk == nullptr) {
    GiveUp(g_file_name, error);
    return nullptr;
  }
  chunk->index = index;
  chunk->thread = t_thread;
  chunk->number = number - 1;
  chunk->last_number = number - 1;
  memcpy(chunk->magic, trace::kChunkMagic, sizeof(chunk->magic));
  return chunk;
}

// A chunk with room for a record of the running thread; null if there is none.
ChunkHeader* ChunkFor(uint64_t number) {
  if (MEMALLOC_LIKELY(t_chunk != nullptr && Writer::HasRoom(t_chunk))) {
    return t_chunk;
  }
  if (t_thread == 0) {
    t_thread = g_last_thread.fetch_add(1, std::memory_order_relaxed) + 1;
  }
  if (t_chunk != nullptr) UnmapChunk(t_chunk);
  t_chunk = TakeParked();
  if (t_chunk != nullptr && !Writer::HasRoom(t_chunk)) {
    UnmapChunk(t_chunk);
    t_chunk = nullptr;
  }
  if (t_chunk == nullptr) return t_chunk = NewChunk(number);
  Writer(t_chunk).OtherThread(t_thread);
  return t_chunk;
}

void Record(const WatchedCall& call, uint64_t end_number) {
  ChunkHeader* chunk = ChunkFor(call.number);
  if (chunk == nullptr) return;
  Writer(chunk).Call(call, end_number);
  if (!t_has_ended) return;
  // No more may come, and nobody would say so.
  Park(t_chunk);
  t_chunk = nullptr;
}

bool IsFree(CallKind kind) {
  return kind == CallKind::kFree || kind == CallKind::kSizedFree;
}

// ---- what the calls tell ----

void OnBegin(WatchedCall* call) {
  if (call->pointer == nullptr) return;
  call->number = TakeNumber();
  // Before it is done: it may end the process.
  if (IsFree(call->kind)) Record(*call, 0);
}

void OnEnd(const WatchedCall& call) {
  if (IsFree(call.kind)) return;
  if (call.kind == CallKind::kRealloc) return Record(call, TakeNumber());
  WatchedCall numbered = call;
  numbered.number = TakeNumber();
  Record(numbered, 0);
}

void OnThreadEnd() {
  t_has_ended = true;
  if (t_chunk == nullptr) return;
  Park(t_chunk);
  t_chunk = nullptr;
}

// The child shares the parent's file, and must not write there. Chunks of
// threads that it has not stay mapped.
void OnForkInChild() {
  if (t_chunk != nullptr) UnmapChunk(t_chunk);
  t_chunk = nullptr;
  t_thread = 0;
  while (ChunkHeader* parked = TakeParked()) UnmapChunk(parked);
  if (g_file != nullptr) UnmapChunk(g_file);
  g_file = nullptr;
  g_last_number.store(0, std::memory_order_relaxed);
  g_last_thread.store(0, std::memory_order_relaxed);
  g_file_state.store(kNoFile, std::memory_order_relaxed);
}

// A destructor of the whole library.
__attribute__((destructor)) void AtExit() {
  FileHeader* file = g_file;
  if (file != nullptr) file->has_ended.store(1, std::memory_order_relaxed);
}

}  // namespace

const Watcher kTraceRecorder = {&OnBegin, &OnEnd, &OnThreadEnd, &OnForkInChild};

MEMALLOC_USUAL void StartWantedTrace() {
  if (GetPath(PathOption::kTrace).text[0] == '\0') return;
  StartWatching(kTraceRecorder);
}

}  // namespace memalloc
