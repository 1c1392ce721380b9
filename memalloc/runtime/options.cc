// Reading options; see options.h.
//
// Where they come from, the later wins: the table's defaults, memalloc_options
// of the program, the environment. The limits of the control group come last,
// as one of the options asks for them.

#include "memalloc/runtime/options.h"

#include <errno.h>
#include <string.h>

#include "memalloc/base/attributes.h"
#include "memalloc/base/line_buffer.h"
#include "memalloc/base/math.h"
#include "memalloc/base/settings.h"
#include "memalloc/heap/sampling.h"
#include "memalloc/os/os.h"
#include "memalloc/runtime/cgroup.h"
#include "memalloc/runtime/option_text.h"
#include "memalloc/runtime/path_options.h"
#include "memalloc/runtime/runtime.h"

// "purge_delay=500ms,huge_pages=never", if the program defines it; see
// memalloc.h.
extern "C" __attribute__((weak, visibility("default")))
const char memalloc_options[];

namespace memalloc {
namespace {

MEMALLOC_USUAL_DATA constexpr char kPrefix[] = "MEMALLOC_";
constexpr size_t kPrefixSize = sizeof(kPrefix) - 1;

bool HasEffect(size_t option) {
  return kIsHardened || option < kFirstHardenedOption;
}

// Where an option stands, for messages.
enum class Source { kEnvironment, kProgram };

// What somebody else wrote, cut to a length that leaves room for ours, on one
// line whatever it is.
void AppendForeign(Span text, LineBuffer& line) {
  constexpr size_t kMax = 80;
  for (size_t i = 0; i < Min(text.size, kMax); ++i) {
    const char c = text.data[i];
    line.Char(c >= ' ' && c <= '~' ? c : '?');
  }
  if (text.size > kMax) line.Text("...");
}

void AppendName(Source source, Span name, LineBuffer& line) {
  line.Text(source == Source::kEnvironment ? kPrefix : "memalloc_options: ");
  AppendForeign(name, line);
}

void TellUnknown(Source source, Span name) {
  LineBuffer line;
  line.Text("memalloc: ");
  AppendName(source, name, line);
  line.Text(": no such option");
  const char* nearest = NearestName(name);
  if (nearest != nullptr) {
    line.Text(" (");
    if (source == Source::kEnvironment) line.Text(kPrefix);
    for (; *nearest != '\0'; ++nearest) {
      const bool is_small = *nearest >= 'a' && *nearest <= 'z';
      line.Char(source == Source::kEnvironment && is_small
                    ? static_cast<char>(*nearest - 'a' + 'A')
                    : *nearest);
    }
    line.Text("?)");
  }
  line.Text("; it is ignored, see docs/errors.md#unknown-option").EndLine();
  os::WriteToStderr(line.data(), line.size());
}

// `append_wanted` adds what the option wants.
template <typename AppendWanted>
void TellBadValue(Source source, Span name, Span value,
                  AppendWanted append_wanted) {
  LineBuffer line;
  line.Text("memalloc: ");
  AppendName(source, name, line);
  line.Char('=');
  AppendForeign(value, line);
  line.Text(": wants ");
  append_wanted(line);
  line.Text("; it is ignored, see docs/errors.md#bad-value").EndLine();
  os::WriteToStderr(line.data(), line.size());
}

void TellHardenedOnly(Source source, Span name) {
  LineBuffer line;
  line.Text("memalloc: ");
  AppendName(source, name, line);
  line.Text(": has an effect in the hardened build only");
  line.Text("; it is ignored, see docs/errors.md#hardened-only").EndLine();
  os::WriteToStderr(line.data(), line.size());
}

void ReadPath(Source source, Span name, PathOption option, Span text) {
  if (SetPath(option, text)) return;
  TellBadValue(source, name, text,
               [option](LineBuffer& line) { AppendWantedPath(option, line); });
}

void ReadOption(Source source, Span name, Span text) {
  const Case letters =
      source == Source::kEnvironment ? Case::kUpper : Case::kLower;
  const size_t path = FindPathOption(name, letters);
  if (path != kNumPathOptions) {
    return ReadPath(source, name, static_cast<PathOption>(path), text);
  }
  const size_t option = FindOption(name, letters);
  if (option == kNumOptions) return TellUnknown(source, name);
  if (!HasEffect(option)) return TellHardenedOnly(source, name);
  const OptionInfo& info = kOptionInfo[option];
  uint64_t value;
  if (!ParseValue(info, text, &value)) {
    return TellBadValue(source, name, text, [&info](LineBuffer& line) {
      AppendWanted(info, line);
    });
  }
  SetOption(static_cast<Option>(option), value);
}

// The part before `separator`, which is taken off the text with it.
Span TakePart(Span* text, char separator) {
  const void* found = memchr(text->data, separator, text->size);
  if (found == nullptr) {
    const Span part = *text;
    text->data += text->size;
    text->size = 0;
    return part;
  }
  const auto length =
      static_cast<size_t>(static_cast<const char*>(found) - text->data);
  const Span part = {text->data, length};
  text->data += length + 1;
  text->size -= length + 1;
  return part;
}

Span WithoutBlanks(Span text) {
  while (text.size > 0 && text.data[0] == ' ') ++text.data, --text.size;
  while (text.size > 0 && text.data[text.size - 1] == ' ') --text.size;
  return text;
}

void ReadProgramsOptions() {
  if (memalloc_options == nullptr) return;
  Span text = SpanOf(memalloc_options);
  while (text.size > 0) {
    Span value = WithoutBlanks(TakePart(&text, ','));
    if (value.size == 0) continue;
    const Span name = WithoutBlanks(TakePart(&value, '='));
    ReadOption(Source::kProgram, name, WithoutBlanks(value));
  }
}

void ReadEnvironment() {
  const char* entry;
  for (size_t i = 0; (entry = os::EnvironmentEntry(i)) != nullptr; ++i) {
    if (strncmp(entry, kPrefix, kPrefixSize) != 0) continue;
    Span value = SpanOf(entry + kPrefixSize);
    const Span name = TakePart(&value, '=');
    if (value.size == 0) continue;  // as if it were not set
    if (!IsToolsVariable(name)) ReadOption(Source::kEnvironment, name, value);
  }
}

// A profile is wanted, so there must be samples.
MEMALLOC_USUAL void StartProfile() {
  constexpr uint64_t kUsualInterval = uint64_t{512} << 10;
  if (GetPath(PathOption::kProfile).text[0] != '\0' && !SamplingIsOn()) {
    SetOption(Option::kSampleInterval, kUsualInterval);
  }
}

}  // namespace

MEMALLOC_USUAL void ReadOptions() {
  ReadProgramsOptions();
  if (!os::SecureExecution()) ReadEnvironment();
  if (GetOption(Option::kCgroupLimit) != 0) TakeCgroupLimits();
  if (GetOption(Option::kReportSignal) != 0) HandleReportSignal();
  StartProfile();
}

int SetOptionByName(const char* name, const char* value) {
  if (name == nullptr || value == nullptr) return EINVAL;
  const size_t path = FindPathOption(SpanOf(name), Case::kLower);
  if (path != kNumPathOptions) {
    InitialiseOnce();  // lest the environment overrule the call later
    // Whether all calls are told is decided at the first use.
    if (static_cast<PathOption>(path) == PathOption::kTrace) return ENOTSUP;
    if (!SetPath(static_cast<PathOption>(path), SpanOf(value))) return EINVAL;
    if (static_cast<PathOption>(path) == PathOption::kProfile) StartProfile();
    PrepareToSample();
    return 0;
  }
  const size_t option = FindOption(SpanOf(name), Case::kLower);
  if (option == kNumOptions) return ENOENT;
  if (!HasEffect(option)) return ENOTSUP;
  uint64_t number;
  if (!ParseValue(kOptionInfo[option], SpanOf(value), &number)) return EINVAL;
  InitialiseOnce();
  SetOption(static_cast<Option>(option), number);
  switch (static_cast<Option>(option)) {
    case Option::kCgroupLimit:
      if (number != 0) TakeCgroupLimits();
      return 0;
    case Option::kSampleInterval:
    case Option::kGuardSampleRate:
      PrepareToSample();
      return 0;
    case Option::kBackgroundThread:
      if (number != 0) return StartBackgroundThread();
      StopBackgroundThread();
      return 0;
    case Option::kReportInterval:
    case Option::kReportBytes:
      return number != 0 ? StartBackgroundThread() : 0;
    case Option::kReportSignal:
      if (!HandleReportSignal()) return EINVAL;
      return number != 0 ? StartBackgroundThread() : 0;
    default:
      return 0;
  }
}

int PrintOption(const char* name, char* text, size_t size) {
  if (name == nullptr) return -1;
  const size_t path = FindPathOption(SpanOf(name), Case::kLower);
  const size_t option = FindOption(SpanOf(name), Case::kLower);
  if (option == kNumOptions && path == kNumPathOptions) return -1;
  InitialiseOnce();
  LineBuffer line;
  if (path != kNumPathOptions) {
    line.Text(GetPath(static_cast<PathOption>(path)).text);
  } else {
    AppendValue(kOptionInfo[option], GetOption(static_cast<Option>(option)),
                line);
  }
  if (size > 0) {
    const size_t kept = Min(line.size(), size - 1);
    memcpy(text, line.data(), kept);
    text[kept] = '\0';
  }
  return static_cast<int>(line.size());
}

}  // namespace memalloc
