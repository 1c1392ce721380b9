// Does a day's work of a small shop in an embedded SQLite (Debian's
// libsqlite3.a): 200,000 sales with indexes, joins, aggregates, full-text
// search, updates, deletes and vacuum; then says which allocator served it.
//
// Standard output is a line a step, with the number of result rows and a
// digest of their text, and must not depend on the allocator, on the file
// system or on the time: contents come from a generator with a fixed seed, all
// values are integers or text, every query is ordered. The sorter may use two
// worker threads, so that memory crosses threads inside SQLite as well.
//
// DATABASE is a file that does not exist yet, or ":memory:". Any failure ends
// the program with SQLite's message and status 1. Built by BUILD on libc, on
// memalloc and fully static, and run by program_test.py.
#include <sqlite3.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "testing/programs/allocator_report.h"

namespace {

constexpr int kCustomers = 2000;
constexpr int kProducts = 300;
constexpr int kSales = 200000;  // unless told otherwise

struct CloseDatabase {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
  }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

[[noreturn]] void Fail(sqlite3* db, const char* what) {
  std::fprintf(stderr, "sqlite_program: %s: %s\n", what, sqlite3_errmsg(db));
  std::exit(1);
}

void Execute(sqlite3* db, const char* sql) {
  if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    Fail(db, sql);
  }
}

Statement Prepare(sqlite3* db, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) != SQLITE_OK) {
    Fail(db, sql);
  }
  return Statement(statement);
}

// The generator of Numerical Recipes' ranqd1, widened; the high bits are used.
class Random {
 public:
  int Below(int limit) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int>((state_ >> 33) % static_cast<unsigned>(limit));
  }

  std::string Words(int count) {
    static constexpr const char* kWords[] = {
        "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron",
        "inlet", "jetty", "knoll", "larch", "maple", "north", "ocean", "plain",
        "quay",  "river", "stone", "tidal", "upper", "vale",  "woods", "yarrow",
    };
    std::string text;
    for (int i = 0; i < count; ++i) {
      if (i > 0) text += ' ';
      text += kWords[Below(sizeof(kWords) / sizeof(kWords[0]))];
    }
    return text;
  }

 private:
  std::uint64_t state_ = 20240229;
};

// FNV-1a over the text of all columns, with a byte that ends each of them.
class Digest {
 public:
  void Add(const unsigned char* text) {
    for (; text != nullptr && *text != 0; ++text) AddByte(*text);
    AddByte(0xff);
  }
  std::uint64_t value() const { return value_; }

 private:
  void AddByte(unsigned char byte) {
    value_ = (value_ ^ byte) * 1099511628211u;
  }
  std::uint64_t value_ = 14695981039346656037u;
};

void Query(sqlite3* db, const char* step, const char* sql) {
  const Statement statement = Prepare(db, sql);
  Digest digest;
  int rows = 0;
  int status;
  while ((status = sqlite3_step(statement.get())) == SQLITE_ROW) {
    ++rows;
    for (int i = 0; i < sqlite3_column_count(statement.get()); ++i) {
      digest.Add(sqlite3_column_text(statement.get(), i));
    }
  }
  if (status != SQLITE_DONE) Fail(db, step);
  std::printf("%s: %d rows, digest %016" PRIx64 "\n", step, rows,
              digest.value());
}

void CheckIntegrity(sqlite3* db) {
  const Statement statement = Prepare(db, "PRAGMA integrity_check");
  if (sqlite3_step(statement.get()) != SQLITE_ROW) Fail(db, "integrity");
  const auto* text = sqlite3_column_text(statement.get(), 0);
  std::printf("integrity: %s\n", reinterpret_cast<const char*>(text));
}

// Binds integers and strings in order, runs the statement, and rewinds it.
class Inserter {
 public:
  Inserter(sqlite3* db, const char* sql) : db_(db), row_(Prepare(db, sql)) {}

  Inserter& Bind(int value) {
    sqlite3_bind_int(row_.get(), ++column_, value);
    return *this;
  }
  Inserter& Bind(const std::string& value) {
    sqlite3_bind_text(row_.get(), ++column_, value.data(),
                      static_cast<int>(value.size()), SQLITE_TRANSIENT);
    return *this;
  }
  void Run() {
    if (sqlite3_step(row_.get()) != SQLITE_DONE) Fail(db_, "insert");
    sqlite3_reset(row_.get());
    column_ = 0;
  }

 private:
  sqlite3* db_;
  Statement row_;
  int column_ = 0;
};

void Fill(sqlite3* db, int sales) {
  Execute(db,
          "CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT, city TEXT);"
          "CREATE TABLE product(id INTEGER PRIMARY KEY, name TEXT, cents INT);"
          "CREATE TABLE sale(id INTEGER PRIMARY KEY, customer INT, product INT,"
          "  day INT, amount INT, note TEXT);"
          "CREATE VIRTUAL TABLE remark USING fts5(body);"
          "BEGIN");
  Random random;
  Inserter customer(db, "INSERT INTO customer(name, city) VALUES(?, ?)");
  for (int i = 0; i < kCustomers; ++i) {
    customer.Bind(random.Words(2)).Bind(random.Words(1)).Run();
  }
  Inserter product(db, "INSERT INTO product(name, cents) VALUES(?, ?)");
  for (int i = 0; i < kProducts; ++i) {
    product.Bind(random.Words(3)).Bind(50 + random.Below(99950)).Run();
  }
  Inserter sale(db,
                "INSERT INTO sale(customer, product, day, amount, note)"
                " VALUES(?, ?, ?, ?, ?)");
  Inserter remark(db, "INSERT INTO remark(body) VALUES(?)");
  for (int i = 0; i < sales; ++i) {
    // Most notes are short; one in a hundred needs overflow pages.
    const int words = random.Below(100) == 0 ? 1000 : random.Below(12);
    sale.Bind(1 + random.Below(kCustomers))
        .Bind(1 + random.Below(kProducts))
        .Bind(random.Below(365))
        .Bind(1 + random.Below(9))
        .Bind(random.Words(words))
        .Run();
    if (i % 20 == 0) remark.Bind(random.Words(15)).Run();
  }
  Execute(db, "COMMIT");
}

void Ask(sqlite3* db) {
  Query(db, "join and aggregate",
        "SELECT c.city, p.name, count(*), sum(s.amount * p.cents)"
        " FROM sale s JOIN customer c ON c.id = s.customer"
        " JOIN product p ON p.id = s.product"
        " GROUP BY c.city, p.name ORDER BY 4 DESC, 1, 2");
  Query(db, "window",
        "SELECT day, total, sum(total) OVER (ORDER BY day ROWS 6 PRECEDING),"
        " rank() OVER (ORDER BY total DESC)"
        " FROM (SELECT day, sum(amount) AS total FROM sale GROUP BY day)"
        " ORDER BY day");
  Query(db, "correlated",
        "SELECT c.id, c.name FROM customer c WHERE (SELECT count(*) FROM sale s"
        " WHERE s.customer = c.id AND s.day < 90) > 26 ORDER BY c.id");
  Query(db, "concatenation",
        "SELECT product, group_concat(note, '|') FROM (SELECT product, note"
        " FROM sale WHERE day BETWEEN 10 AND 60 ORDER BY id)"
        " GROUP BY product ORDER BY product");
  Query(db, "json",
        "SELECT city, json_group_array(json_object('id', id, 'name', name))"
        " FROM (SELECT * FROM customer ORDER BY id) GROUP BY city"
        " ORDER BY city");
  Query(db, "full text",
        "SELECT rowid, highlight(remark, 0, '<', '>') FROM remark"
        " WHERE remark MATCH 'amber AND NEAR(river stone, 3)' ORDER BY rowid");
  Query(db, "sort without index",
        "SELECT id, note FROM sale ORDER BY note, amount, id DESC");
}

void Run(sqlite3* db, int sales) {
  Execute(db,
          "PRAGMA synchronous=OFF; PRAGMA threads=2; PRAGMA cache_size=-16000");
  Fill(db, sales);
  Execute(db,
          "CREATE INDEX sale_customer ON sale(customer, day);"
          "CREATE INDEX sale_product ON sale(product);"
          "CREATE INDEX sale_note ON sale(substr(note, 1, 20), amount);"
          "ANALYZE");
  Ask(db);
  Execute(db,
          "BEGIN;"
          "UPDATE sale SET note = note || ' returned', amount = amount + 1"
          " WHERE id % 7 = 0;"
          "DELETE FROM sale WHERE id % 5 = 0;"
          "DELETE FROM remark WHERE rowid % 3 = 0;"
          "COMMIT;"
          "BEGIN; DELETE FROM sale; ROLLBACK;"
          "VACUUM");
  Query(db, "pages after vacuum", "PRAGMA page_count");
  CheckIntegrity(db);
  Ask(db);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    std::fputs("usage: sqlite_program DATABASE [SALES]\n", stderr);
    return 2;
  }
  sqlite3* opened = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  const int status = sqlite3_open_v2(argv[1], &opened, flags, nullptr);
  const Database db(opened);
  if (status != SQLITE_OK) Fail(db.get(), argv[1]);
  Run(db.get(), argc == 3 ? std::atoi(argv[2]) : kSales);

  void* const block = sqlite3_malloc(100);
  programs::ReportAllocator(block);
  sqlite3_free(block);
  return std::fflush(stdout) == 0 ? 0 : 1;
}
