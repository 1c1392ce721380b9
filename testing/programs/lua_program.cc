// Runs one Lua script in an embedded interpreter (Debian's liblua5.4.a), then
// says which allocator served it.
//
// The interpreter's own allocation function calls realloc and free for every
// object, so a script that builds trees, strings and closures is mostly
// allocator work. Standard output belongs to the script and must not depend on
// the allocator; the report goes to standard error.
//
// Single-threaded. Built by BUILD on libc, on memalloc and fully static, and
// run by program_test.py.
#include <cstdio>
#include <memory>

#include "lua.hpp"
#include "testing/programs/allocator_report.h"

namespace {

struct CloseState {
  void operator()(lua_State* state) const { lua_close(state); }
};

int RunScript(const char* path) {
  const std::unique_ptr<lua_State, CloseState> owner(luaL_newstate());
  lua_State* const state = owner.get();
  if (state == nullptr) {
    std::fputs("lua_program: cannot create an interpreter\n", stderr);
    return 1;
  }
  luaL_openlibs(state);
  if (luaL_dofile(state, path) != LUA_OK) {
    std::fprintf(stderr, "lua_program: %s\n", lua_tostring(state, -1));
    return 1;
  }
  programs::ReportAllocator(lua_newuserdatauv(state, 100, 0));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: lua_program SCRIPT\n", stderr);
    return 2;
  }
  const int status = RunScript(argv[1]);
  if (std::fflush(stdout) != 0) return 1;
  return status;
}
