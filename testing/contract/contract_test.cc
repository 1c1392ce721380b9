// Runs the table of the contract: each row once, or once for each entry that
// allocates. The same source is linked twice, with memalloc and with libc.
//
// Where libc 2.36 differs from a row, its own behaviour is asserted instead; on
// another libc the row is skipped there, saying so. Everything runs on the main
// thread of one process; no row depends on another.

#include <gnu/libc-version.h>
#include <gtest/gtest.h>

#include <cstring>
#include <ostream>
#include <string>
#include <vector>

#include "testing/contract/allocator_in_charge.h"
#include "testing/contract/entries.h"
#include "testing/contract/table.h"

namespace contract {
namespace {

struct Case {
  const Row* row;
  const Entry* entry;  // null for rows that run once

  friend void PrintTo(const Case& c, std::ostream* out) {
    *out << c.row->clause;
  }
};

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const Row& row : Table()) {
    if (row.scope == Row::Scope::kOnce) {
      cases.push_back({&row, nullptr});
      continue;
    }
    for (const Entry& entry : Entries()) {
      if (entry.cxx && row.scope == Row::Scope::kEveryCEntry) continue;
      cases.push_back({&row, &entry});
    }
  }
  return cases;
}

std::string CaseName(const testing::TestParamInfo<Case>& info) {
  std::string name = info.param.row->name;
  if (info.param.entry != nullptr)
    name += std::string("_") + info.param.entry->name;
  return name;
}

class ContractTest : public testing::TestWithParam<Case> {};

TEST_P(ContractTest, Holds) {
  const Row& row = *GetParam().row;
  const Entry& entry =
      GetParam().entry != nullptr ? *GetParam().entry : Entries().front();
  const LibcDifference& libc = row.libc;
  const bool differs = !kExpectMemalloc && libc.check != nullptr &&
                       (libc.concerns == nullptr || libc.concerns(entry));
  if (!differs) {
    row.check(entry);
  } else if (std::strcmp(gnu_get_libc_version(), "2.36") == 0) {
    SCOPED_TRACE(std::string("libc 2.36 instead: ") + libc.what);
    libc.check(entry);
  } else {
    GTEST_SKIP() << "known only of libc 2.36: " << libc.what;
  }
  CheckHeap();
}

INSTANTIATE_TEST_SUITE_P(Table, ContractTest, testing::ValuesIn(AllCases()),
                         CaseName);

}  // namespace
}  // namespace contract
