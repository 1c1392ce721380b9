// The contract as one table: which promise, where it comes from, the function
// that checks it, and what libc 2.36 does instead where it differs.
//
// The table is the specification that a user can read: contract_test.cc runs
// each row, for each entry where it concerns every entry, against memalloc and
// against libc. A difference of libc is not skipped but asserted in its own
// words, so that the day libc changes, the row says so.

#ifndef TESTING_CONTRACT_TABLE_H_
#define TESTING_CONTRACT_TABLE_H_

#include <vector>

#include "testing/contract/entries.h"

namespace contract {

// What glibc 2.36 does where it differs from a row.
struct LibcDifference {
  const char* what = nullptr;
  void (*check)(const Entry&) = nullptr;
  // To which entries the difference applies; all if null.
  bool (*concerns)(const Entry&) = nullptr;
};

struct Row {
  enum class Scope { kOnce, kEveryEntry, kEveryCEntry };

  const char* name;
  const char* clause;  // the standard's or manual's
  Scope scope;
  void (*check)(const Entry&);
  LibcDifference libc = {};
};

const std::vector<Row>& Table();

}  // namespace contract

#endif  // TESTING_CONTRACT_TABLE_H_
