// First use: the key of the free-list links, the options, and what the end of
// the process needs.
//
// This runs inside the first malloc of the process, before constructors and
// perhaps before libc is ready: it takes what it needs from the kernel's
// auxiliary vector and from the environment's text, and allocates nothing.

#include <atomic>

#include "memalloc/base/attributes.h"
#include "memalloc/base/lock.h"
#include "memalloc/base/settings.h"
#include "memalloc/hardened/secret.h"
#include "memalloc/heap/debug_layout.h"
#include "memalloc/heap/watched_calls.h"
#include "memalloc/layout/free_cell.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/options.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

Lock g_init_lock;
std::atomic<bool> g_initialised{false};
char g_program[64];

void CopyProgramName() {
  const char* name = os::ProgramName();
  for (size_t i = 0; name[i] != '\0' && i < sizeof(g_program) - 1; ++i) {
    g_program[i] = name[i];
  }
}

}  // namespace

const char* ProgramsName() {
  const LockHolder holder(g_init_lock);
  if (g_program[0] == '\0') CopyProgramName();
  return g_program;
}

MEMALLOC_USUAL void InitialiseOnce() {
  if (g_initialised.load(std::memory_order_acquire)) return;
  const LockHolder holder(g_init_lock);
  if (g_initialised.load(std::memory_order_relaxed)) return;
  g_link_key = MakeLinkKey(os::RandomWord());
  if constexpr (kIsHardened) MakeSecret(os::RandomWord());
  CopyProgramName();
  ReadOptions();
  MakeThreadExitKey();
  KeepDebugLayout();
  StartWantedTrace();
  LeaveUnwatched();
  // Pairs with the acquire above: the key is seen by who sees the flag.
  g_initialised.store(true, std::memory_order_release);
}

}  // namespace memalloc
