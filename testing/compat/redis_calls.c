/* What redis asks of its allocator, in its own way: the calls, types and names
 * of zmalloc.c and debug.c in versions 7.0 to 8, under jemalloc's names. Its
 * active defragmentation needs a function that only its own jemalloc has
 * (je_get_defrag_hint) and is not asked for here.
 *
 * Ends with status 0, or with the line that was not true. */

#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#if JEMALLOC_VERSION_MAJOR < 3
#error "redis takes no older ones"
#endif

struct allocator_info {
  size_t allocated;
  size_t active;
  size_t resident;
  size_t retained;
  size_t muzzy;
  size_t wasted; /* in small bins */
};

static size_t read_size(const char* name) {
  size_t value = 0;
  size_t size = sizeof(value);
  CHECK(je_mallctl(name, &value, &size, NULL, 0) == 0);
  return value;
}

static size_t read_bin(const char* format, unsigned bin) {
  char name[100];
  snprintf(name, sizeof(name), format, bin);
  return read_size(name);
}

static size_t wasted_in_bins(void) {
  unsigned bins;
  size_t size = sizeof(bins);
  size_t wasted = 0;
  CHECK(je_mallctl("arenas.nbins", &bins, &size, NULL, 0) == 0);
  for (unsigned bin = 0; bin < bins; ++bin) {
    uint32_t regions;
    char name[100];
    snprintf(name, sizeof(name), "arenas.bin.%u.nregs", bin);
    size = sizeof(regions);
    CHECK(je_mallctl(name, &regions, &size, NULL, 0) == 0);
    const size_t slabs = read_bin("stats.arenas.4096.bins.%u.curslabs", bin);
    const size_t used = read_bin("stats.arenas.4096.bins.%u.curregs", bin);
    CHECK(regions * slabs >= used);
    wasted += (regions * slabs - used) * read_bin("arenas.bin.%u.size", bin);
  }
  return wasted;
}

static struct allocator_info get_info(void) {
  struct allocator_info info;
  uint64_t epoch = 1;
  size_t size = sizeof(epoch);
  je_mallctl("epoch", &epoch, &size, &epoch, size);
  info.resident = read_size("stats.resident");
  info.active = read_size("stats.active");
  info.allocated = read_size("stats.allocated");
  info.retained = read_size("stats.retained");
  info.muzzy = read_size("stats.arenas.4096.pmuzzy") * read_size("arenas.page");
  info.wasted = wasted_in_bins();
  CHECK(info.allocated <= info.active);
  CHECK(info.active <= info.resident);
  CHECK(info.muzzy == 0);
  return info;
}

static int purge(void) {
  char name[32];
  unsigned arenas = 0;
  size_t size = sizeof(unsigned);
  if (je_mallctl("arenas.narenas", &arenas, &size, NULL, 0)) return -1;
  snprintf(name, sizeof(name), "arena.%u.purge", arenas);
  return je_mallctl(name, NULL, 0, NULL, 0) ? -1 : 0;
}

/* DEBUG MALLCTL tries ever shorter integers. */
static int read_any_integer(const char* name, int64_t* value) {
  for (size_t size = sizeof(*value); size > 0; size /= 2) {
    size_t asked = size;
    *value = 0;
    const int error = je_mallctl(name, value, &asked, NULL, 0);
    if (error != EINVAL) return error;
  }
  return EINVAL;
}

static void append(void* to, const char* piece) {
  *(size_t*)to += strlen(piece);
}

#define KEYS 100000

int main(void) {
  static void* keys[KEYS];
  CHECK(je_mallctl("arenas.dirty_decay_ms", NULL, NULL, &(ssize_t){-1},
                   sizeof(ssize_t)) == 0);
  const struct allocator_info before = get_info();
  size_t used = 0;
  for (size_t i = 0; i < KEYS; ++i) {
    keys[i] = je_mallocx(16 + i % 500, MALLOCX_TCACHE_NONE);
    CHECK(keys[i] != NULL);
    used += je_malloc_usable_size(keys[i]);
  }
  const struct allocator_info filled = get_info();
  CHECK(filled.allocated == before.allocated + used);
  CHECK(filled.wasted < before.wasted + (4 << 20));

  /* Nine keys of ten go: that much of what is active is wasted. */
  size_t freed = 0;
  for (size_t i = 0; i < KEYS; ++i) {
    if (i % 10 == 0) continue;
    freed += je_malloc_usable_size(keys[i]);
    je_dallocx(keys[i], MALLOCX_TCACHE_NONE);
  }
  const struct allocator_info sparse = get_info();
  CHECK(sparse.allocated <= filled.allocated - freed);
  CHECK(sparse.wasted >= freed / 2);
  CHECK(sparse.active - sparse.allocated >= freed / 2);

  for (size_t i = 0; i < KEYS; i += 10) je_free(keys[i]);
  CHECK(purge() == 0);
  const struct allocator_info purged = get_info();
  CHECK(purged.resident < filled.resident / 4);

  char on = 1;
  CHECK(je_mallctl("background_thread", NULL, 0, &on, 1) == 0);
  int64_t value;
  CHECK(read_any_integer("background_thread", &value) == 0 && value == 1);
  CHECK(read_any_integer("arenas.narenas", &value) == 0 && value == 1);
  CHECK(read_any_integer("arenas.page", &value) == 0 && value >= 4096);
  CHECK(read_any_integer("no.such.name", &value) == ENOENT);
  CHECK(read_any_integer("arena.0.purge", &value) == EPERM);

  size_t length = 0;
  je_malloc_stats_print(append, &length, NULL);
  CHECK(length > 1000);
  return 0;
}
