// Implementation of compare_allocators.h.
//
// Peers are looked for where Debian and other distributions put libraries; on a
// machine with several architectures, the first that is for memalloc's.

#include "tools/run/compare_allocators.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "tools/run/elf_inspect.h"
#include "tools/run/failure.h"

namespace memalloc::run {
namespace {

namespace fs = std::filesystem;

struct Peer {
  absl::string_view name;
  absl::string_view file;
  absl::string_view debian_package;
};

constexpr Peer kPeers[] = {
    {"jemalloc", "libjemalloc.so.2", "libjemalloc2"},
    {"mimalloc", "libmimalloc.so.2", "libmimalloc2.0"},
    {"tbbmalloc", "libtbbmalloc_proxy.so.2", "libtbbmalloc2"},
    {"tcmalloc", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"},
};

constexpr char kLibc[] = "libc";
constexpr char kMemalloc[] = "memalloc";
constexpr char kHardened[] = "hardened";

// Where libraries are; /usr/lib/x86_64-linux-gnu and the like come first.
std::vector<std::string> LibraryDirectories() {
  std::vector<std::string> directories;
  std::error_code error;
  for (const fs::directory_entry& entry :
       fs::directory_iterator("/usr/lib", error)) {
    const std::string path = entry.path().string();
    if (path.find("-linux-gnu") != path.npos) directories.push_back(path);
  }
  std::sort(directories.begin(), directories.end());
  directories.insert(directories.end(),
                     {"/usr/lib64", "/usr/lib", "/usr/local/lib"});
  return directories;
}

// The path of the peer's object; empty if it is not installed.
std::string FindPeer(const Peer& peer, const PreloadLibrary& memalloc) {
  for (const std::string& directory : LibraryDirectories()) {
    const std::string path = absl::StrCat(directory, "/", peer.file);
    if (CheckPreloadable(path, memalloc.abi).ok()) return path;
  }
  return "";
}

// Whether `object`, as LD_PRELOAD has it, defines malloc.
bool IsAllocator(const std::string& object) {
  std::vector<std::string> paths = {object};
  if (object.find('/') == object.npos) {
    paths = LibraryDirectories();
    for (std::string& path : paths) absl::StrAppend(&path, "/", object);
  }
  for (const std::string& path : paths) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) continue;
    const bool is_allocator = DefinesMalloc(fd);
    close(fd);
    if (is_allocator) return true;
  }
  return false;
}

absl::StatusOr<Allocator> AllocatorAt(const std::string& name,
                                      const std::string& path,
                                      const PreloadLibrary& memalloc) {
  std::error_code error;
  const std::string absolute = fs::absolute(path, error).string();
  absl::Status status = CheckPreloadable(absolute, memalloc.abi);
  if (!status.ok()) {
    return Prefixed(absl::StrCat("--compare=", name, "=", path, ": "), status);
  }
  return Allocator{name, absolute};
}

absl::StatusOr<Allocator> Hardened(const std::string& executable) {
  const absl::StatusOr<PreloadLibrary> library =
      FindPreloadLibrary(executable, true);
  if (!library.ok()) return library.status();
  return Allocator{kHardened, library->path};
}

// The allocator that an element of the list means.
absl::StatusOr<Allocator> Named(const std::string& element,
                                const std::string& executable,
                                const PreloadLibrary& memalloc) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(element, absl::MaxSplits('=', 1));
  if (element.find('=') != element.npos) {
    return AllocatorAt(parts.first, parts.second, memalloc);
  }
  if (element == kLibc) return Allocator{kLibc, ""};
  if (element == kMemalloc) return Allocator{kMemalloc, memalloc.path};
  if (element == kHardened) return Hardened(executable);
  std::vector<absl::string_view> known = {kLibc, kMemalloc, kHardened};
  for (const Peer& peer : kPeers) {
    known.push_back(peer.name);
    if (element != peer.name) continue;
    const std::string path = FindPeer(peer, memalloc);
    if (!path.empty()) return Allocator{element, path};
    return OwnFailure(absl::StrCat(
        "--compare=", element, ": ", peer.file, " is not installed; install ",
        peer.debian_package, ", or write ", element, "=/path/to/", peer.file));
  }
  return OwnFailure(
      absl::StrCat("--compare=", element, ": no such allocator; write one of ",
                   absl::StrJoin(known, ", "), ", or NAME=/path/to.so"));
}

}  // namespace

absl::StatusOr<std::vector<Allocator>> FindAllocators(
    const CompareFlag& flag, bool hardened, const std::string& executable,
    const PreloadLibrary& memalloc) {
  std::vector<std::string> elements = {kLibc, kMemalloc};
  if (hardened) elements.push_back(kHardened);
  elements.insert(elements.end(), flag.list.begin(), flag.list.end());
  std::vector<Allocator> found;
  const auto add = [&found](Allocator allocator) -> absl::Status {
    for (const Allocator& other : found) {
      if (other.name != allocator.name) continue;
      if (other.preload == allocator.preload) return absl::OkStatus();
      return OwnFailure(absl::StrCat("--compare=", allocator.name, "=",
                                     allocator.preload, ": ", other.name,
                                     " is another one; take another name"));
    }
    found.push_back(std::move(allocator));
    return absl::OkStatus();
  };
  for (const std::string& element : elements) {
    absl::StatusOr<Allocator> allocator = Named(element, executable, memalloc);
    if (!allocator.ok()) return allocator.status();
    absl::Status status = add(*std::move(allocator));
    if (!status.ok()) return status;
  }
  if (!flag.list.empty()) return found;
  for (const Peer& peer : kPeers) {
    const std::string path = FindPeer(peer, memalloc);
    if (!path.empty()) found.push_back({std::string(peer.name), path});
  }
  return found;
}

std::vector<std::string> DropPreloadedAllocators() {
  const char* value = std::getenv("LD_PRELOAD");
  if (value == nullptr) return {};
  // As ld.so separates them.
  std::vector<std::string> objects =
      absl::StrSplit(value, absl::ByAnyChar(" :"), absl::SkipEmpty());
  const auto dropped = std::stable_partition(
      objects.begin(), objects.end(),
      [](const std::string& object) { return !IsAllocator(object); });
  std::vector<std::string> allocators(dropped, objects.end());
  if (allocators.empty()) return {};
  objects.erase(dropped, objects.end());
  setenv("LD_PRELOAD", absl::StrJoin(objects, ":").c_str(), 1);
  return allocators;
}

}  // namespace memalloc::run
