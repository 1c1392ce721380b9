// The lowest layer: rounding, logarithms, sets of numbers, and lines built
// without stdio.

#include <bitset>
#include <cinttypes>
#include <cstdio>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "memalloc/base/bit_set.h"
#include "memalloc/base/line_buffer.h"
#include "memalloc/base/math.h"
#include "memalloc/base/single_writer.h"

namespace memalloc {
namespace {

std::string TextOf(const LineBuffer& line) {
  return std::string(line.data(), line.size());
}

TEST(Math, PowersOfTwo) {
  EXPECT_FALSE(IsPowerOfTwo(0));
  for (unsigned bit = 0; bit < 64; ++bit) {
    const size_t power = size_t{1} << bit;
    EXPECT_TRUE(IsPowerOfTwo(power));
    EXPECT_EQ(IsPowerOfTwo(power + 1), bit == 0);
    EXPECT_EQ(Log2(power), bit);
    EXPECT_EQ(Log2(power | (power - 1)), bit);
  }
}

TEST(Math, PopCount) {
  EXPECT_EQ(PopCount(0), 0U);
  EXPECT_EQ(PopCount(~uint64_t{0}), 64U);
  uint64_t word = 1;
  for (int i = 0; i < 1000; ++i) {
    word = word * 6364136223846793005 + 1442695040888963407;
    ASSERT_EQ(PopCount(word), static_cast<size_t>(__builtin_popcountll(word)));
  }
}

TEST(Math, Rounding) {
  for (size_t unit = 1; unit <= 64; unit *= 2) {
    for (uintptr_t x = 0; x < 300; ++x) {
      ASSERT_EQ(RoundDown(x, unit), x / unit * unit);
      ASSERT_EQ(RoundUp(x, unit), (x + unit - 1) / unit * unit);
    }
  }
  EXPECT_EQ(RoundUp(UINTPTR_MAX, 4096), 0U) << "wraps, as documented";
}

// Against the library's own, range by range.
TEST(BitSet, IsASet) {
  constexpr size_t kSize = 200;
  BitSet<kSize> set = {};
  BitSet<kSize> others = {};
  std::bitset<kSize> model;
  // Some words in part, some whole, one not at all.
  const auto is_other = [](size_t i) {
    return i < 64 ? i % 3 == 0 : i < 128 || i >= 192;
  };
  for (size_t i = 0; i < kSize; ++i) {
    if (is_other(i)) others.Set(i);
  }
  std::mt19937 random(1);
  for (int round = 0; round < 5000; ++round) {
    const size_t first = random() % kSize;
    const size_t count = random() % (kSize - first + 1);
    size_t before = 0;
    size_t among_others = 0;
    size_t in_both = 0;
    for (size_t i = first; i < first + count; ++i) {
      before += model[i] ? 1 : 0;
      among_others += is_other(i) ? 1 : 0;
      in_both += model[i] && is_other(i) ? 1 : 0;
    }
    ASSERT_EQ(set.Count(first, count), before);
    ASSERT_EQ(set.Any(first, count), before != 0);
    const bool sets = random() % 2 == 0;
    const bool of_others = random() % 2 == 0;
    if (of_others && sets) {
      ASSERT_EQ(set.SetThoseOf(others, first, count), among_others);
    } else if (of_others) {
      ASSERT_EQ(set.ClearThoseOf(others, first, count), in_both);
    } else if (sets) {
      set.Set(first, count);
    } else {
      set.Clear(first, count);
    }
    for (size_t i = first; i < first + count; ++i) {
      if (!of_others || is_other(i)) model[i] = sets;
    }
    size_t next = first;
    while (next < kSize && !model[next]) ++next;
    ASSERT_EQ(set.Next(first), next);
    for (size_t i = 0; i < kSize; ++i) ASSERT_EQ(set.Has(i), model[i]) << i;
  }
  EXPECT_EQ(set.Next(kSize), kSize);
}

TEST(SingleWriter, CountsDownToZero) {
  SingleWriter<uint32_t> number;
  number = 3;
  EXPECT_FALSE(number.CountDown());
  EXPECT_FALSE(number.CountDown());
  EXPECT_EQ(number, 1U);
  EXPECT_TRUE(number.CountDown());
  EXPECT_EQ(number, 0U);
  EXPECT_FALSE(number.CountDown()) << "wraps";
  EXPECT_EQ(number, UINT32_MAX);
}

TEST(SingleWriter, AddsAndSubtractsInItsOwnWidth) {
  SingleWriter<uint16_t> number;
  EXPECT_EQ(number, 0U);
  number += 65535;
  number += 2;
  EXPECT_EQ(number, 1U);
  number -= 2;
  EXPECT_EQ(number, 65535U);
}

TEST(LineBuffer, WritesNumbersAsPrintfDoes) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = random() >> i % 64;
    char expected[64];
    snprintf(expected, sizeof(expected), "%" PRIu64 " 0x%" PRIx64, value,
             value);
    LineBuffer line;
    line.Decimal(value).Char(' ').Pointer(reinterpret_cast<void*>(value));
    ASSERT_EQ(TextOf(line), expected);
  }
  LineBuffer zero;
  EXPECT_EQ(TextOf(zero.Decimal(0).Pointer(nullptr)), "00x0");
}

TEST(LineBuffer, CutsOffWhatDoesNotFit) {
  LineBuffer line;
  for (int i = 0; i < 1000; ++i) line.Text("abc");
  const size_t cut = line.size();
  line.Decimal(12345).Pointer(&line);
  EXPECT_EQ(line.size(), cut);
  line.EndLine();
  const std::string text = TextOf(line);
  EXPECT_EQ(text.size(), cut + 1);
  EXPECT_EQ(text.substr(0, 6), "abcabc");
  EXPECT_EQ(text.back(), '\n');
}

}  // namespace
}  // namespace memalloc
