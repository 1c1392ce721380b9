// First use: the key of the free-list links, the options, and what the end of
// the process needs.
//
// This runs inside the first malloc of the process, before constructors and
// perhaps before libc is ready: it takes what it needs from the kernel's
// auxiliary vector and from the environment's text, and allocates nothing.

#include <string.h>

#include <atomic>

#include "memalloc/base/lock.h"
#include "memalloc/base/math.h"
#include "memalloc/base/settings.h"
#include "memalloc/hardened/secret.h"
#include "memalloc/layout/free_cell.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/options.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

Lock g_init_lock;
std::atomic<bool> g_initialised{false};
ExitLine g_exit_line;

void CopyProgramName() {
  const char* name = os::ProgramName();
  memcpy(g_exit_line.program, name,
         Min(strlen(name), sizeof(g_exit_line.program) - 1));
}

}  // namespace

const ExitLine& GetExitLine() { return g_exit_line; }

void SetExitFile(const char* path) {
  const size_t length = strlen(path);
  if (path[0] != '/' || length >= sizeof(g_exit_line.file)) {
    LineBuffer line;
    line.Text(
            "memalloc: MEMALLOC_STATS_FILE wants an absolute path of at most ")
        .Decimal(sizeof(g_exit_line.file) - 1)
        .Text(" bytes; it is ignored");
    line.EndLine();
    os::WriteToStderr(line.data(), line.size());
    return;
  }
  memcpy(g_exit_line.file, path, length + 1);
}

void NoteProgram() {
  const LockHolder holder(g_init_lock);
  if (g_exit_line.program[0] == '\0') CopyProgramName();
}

void InitialiseOnce() {
  if (g_initialised.load(std::memory_order_acquire)) return;
  const LockHolder holder(g_init_lock);
  if (g_initialised.load(std::memory_order_relaxed)) return;
  g_link_key = MakeLinkKey(os::RandomWord());
  if constexpr (kIsHardened) MakeSecret(os::RandomWord());
  CopyProgramName();
  ReadOptions();
  MakeThreadExitKey();
  // Pairs with the acquire above: the key is seen by who sees the flag.
  g_initialised.store(true, std::memory_order_release);
}

}  // namespace memalloc
