// Uses of libc and libstdc++ that allocate; see libc_users.h.
//
// Each is a function that returns whether it worked. Nothing here needs a
// shared library at run time (no dlopen, no name service), so that the same
// source links statically. No state.
#include "testing/link/libc_users.h"

#include <dirent.h>
#include <regex.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>

namespace link_test {
namespace {

bool Strings(BlockSeen seen) {
  char* const copy = strdup("copy");
  char* printed = nullptr;
  const int length = asprintf(&printed, "%01000d", 1);
  seen("strdup", copy);
  seen("asprintf", printed);
  const bool right = length == 1000 && strcmp(copy, "copy") == 0;
  free(printed);
  free(copy);
  return right;
}

bool Streams(BlockSeen seen) {
  char* text = nullptr;
  size_t size = 0;
  FILE* const out = open_memstream(&text, &size);
  for (int i = 0; i < 1000; ++i) fprintf(out, "line %d\n", i);
  fclose(out);
  seen("open_memstream", text);
  FILE* const in = fmemopen(text, size, "r");
  char* line = nullptr;
  size_t room = 0;
  int lines = 0;
  while (getline(&line, &room, in) > 0) ++lines;
  seen("getline", line);
  fclose(in);
  free(line);
  free(text);
  return lines == 1000;
}

bool Files(BlockSeen seen) {
  DIR* const folder = opendir("/");
  char* const path = realpath("/", nullptr);
  char* const here = getcwd(nullptr, 0);
  seen("opendir", folder);
  seen("realpath", path);
  seen("getcwd", here);
  const bool right = folder != nullptr && strcmp(path, "/") == 0;
  closedir(folder);
  free(path);
  free(here);
  return right;
}

bool Expressions(BlockSeen) {
  regex_t expression;
  if (regcomp(&expression, "^(a|b)*c[[:digit:]]+$", REG_EXTENDED) != 0) {
    return false;
  }
  const bool found = regexec(&expression, "ababc42", 0, nullptr, 0) == 0;
  regfree(&expression);
  return found;
}

bool Children(BlockSeen) {
  const pid_t child = fork();
  if (child == 0) {
    char* const copy = strdup("in the child");
    const bool right = strcmp(copy, "in the child") == 0;
    free(copy);
    _exit(right ? 42 : 1);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) return false;
  return WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

bool Threads(BlockSeen seen) {
  std::string text;
  std::thread thread([&text] { text.assign(1000, 'x'); });
  thread.join();
  seen("std::string on a thread", text.data());
  return text.size() == 1000;
}

bool Exceptions(BlockSeen) {
  const std::string long_text(100, 'x');
  try {
    throw std::runtime_error(long_text);
  } catch (const std::exception& error) {
    return error.what() == long_text;
  }
}

}  // namespace

int UseLibc(BlockSeen seen) {
  int failed = 0;
  for (const auto use :
       {Strings, Streams, Files, Expressions, Children, Threads, Exceptions}) {
    if (!use(seen)) ++failed;
  }
  return failed;
}

}  // namespace link_test
