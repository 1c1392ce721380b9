// First use: the key of the free-list links, and the options.
//
// This runs inside the first malloc of the process, before constructors and
// perhaps before libc is ready: it takes what it needs from the kernel's
// auxiliary vector and from the environment's text, and allocates nothing.

#include <string.h>

#include <atomic>

#include "memalloc/base/lock.h"
#include "memalloc/base/math.h"
#include "memalloc/layout/free_cell.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/runtime.h"

namespace memalloc {
namespace {

Lock g_init_lock;
std::atomic<bool> g_initialised{false};
Options g_options;

void ReadOptions() {
  const char* name = os::ProgramName();
  const size_t name_length = Min(strlen(name), sizeof(g_options.program) - 1);
  memcpy(g_options.program, name, name_length);
  if (os::SecureExecution()) return;
  const char* file = os::Environment("MEMALLOC_STATS_FILE");
  if (file == nullptr || file[0] == '\0') return;
  const size_t length = strlen(file);
  if (file[0] != '/' || length >= sizeof(g_options.stats_file)) {
    LineBuffer line;
    line.Text(
            "memalloc: MEMALLOC_STATS_FILE wants an absolute path of at most ")
        .Decimal(sizeof(g_options.stats_file) - 1)
        .Text(" bytes; it is ignored");
    line.EndLine();
    os::WriteToStderr(line.data(), line.size());
    return;
  }
  memcpy(g_options.stats_file, file, length + 1);
}

}  // namespace

const Options& GetOptions() { return g_options; }

void ReadOptionsAgain() {
  const LockHolder holder(g_init_lock);
  if (g_options.program[0] == '\0') ReadOptions();
}

void InitialiseOnce() {
  if (g_initialised.load(std::memory_order_acquire)) return;
  const LockHolder holder(g_init_lock);
  if (g_initialised.load(std::memory_order_relaxed)) return;
  g_link_key = MakeLinkKey(os::RandomWord());
  ReadOptions();
  MakeThreadExitKey();
  // Pairs with the acquire above: the key is seen by who sees the flag.
  g_initialised.store(true, std::memory_order_release);
}

}  // namespace memalloc
