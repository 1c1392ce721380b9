-- What sqlite_test.py feeds to the sqlite3 shell on libc and on memalloc.so.
--
-- Role: 100,000 rows with text and blobs, indexes, joins, window functions,
-- JSON, full-text search, large sorts in memory, deletes and vacuum.
-- Invariants: no clock, no random source; every listing has a full order.
PRAGMA temp_store = memory;
PRAGMA cache_size = -20000;
PRAGMA threads = 2;
PRAGMA journal_mode = wal;

CREATE TABLE item (
  id INTEGER PRIMARY KEY,
  owner INTEGER NOT NULL,
  name TEXT NOT NULL,
  price REAL,
  body BLOB
);
CREATE TABLE owner (id INTEGER PRIMARY KEY, name TEXT UNIQUE, extra TEXT);

BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000)
INSERT INTO owner
SELECT i, printf('owner %d of %x', i, i * 7919 % 100003),
  json_object('id', i, 'tags', json_array(i % 3, i % 5, 'tag ' || i))
FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000)
INSERT INTO item
SELECT i, 1 + i * 31 % 2000, printf('item %07d', i * 7919 % 1000003),
  (i * 104729 % 99991) / 7.0,
  CASE WHEN i % 50 = 0 THEN zeroblob(i % 5000) ELSE NULL END
FROM n;
COMMIT;

CREATE INDEX item_owner ON item(owner, price);
CREATE UNIQUE INDEX item_name ON item(name, id);
ANALYZE;

SELECT 'join', o.name, count(*), round(sum(i.price), 3), max(i.name)
FROM owner o JOIN item i ON i.owner = o.id
GROUP BY o.id HAVING count(*) > 10 ORDER BY 4 DESC, o.name LIMIT 30;

SELECT 'window', id, owner,
  round(avg(price) OVER (PARTITION BY owner ORDER BY id
    ROWS BETWEEN 5 PRECEDING AND CURRENT ROW), 4),
  rank() OVER (PARTITION BY owner ORDER BY price DESC, id)
FROM item WHERE owner < 40 ORDER BY owner, id;

SELECT 'sorted', name, id FROM item
ORDER BY substr(name, 9, 3), price, id LIMIT 25 OFFSET 60000;

SELECT 'json', t.value, count(*), group_concat(o.id)
FROM owner o, json_each(o.extra, '$.tags') t
GROUP BY t.value ORDER BY t.value LIMIT 60;

WITH RECURSIVE s(n, text) AS (
  SELECT 0, 'x'
  UNION ALL SELECT n + 1, text || hex(n) || text FROM s WHERE n < 15
)
SELECT 'string', n, length(text), length(replace(text, '3', '<three>')) FROM s;

CREATE VIRTUAL TABLE words USING fts5(body);
INSERT INTO words SELECT name || ' ' || extra FROM owner;
SELECT 'search', rowid, snippet(words, 0, '[', ']', '...', 6)
FROM words WHERE words MATCH 'owner AND tag AND 1*' ORDER BY rowid LIMIT 40;

UPDATE item SET name = name || ' (renamed)' WHERE id % 3 = 0;
DELETE FROM item WHERE id % 7 IN (1, 2, 3);
SAVEPOINT s;
DELETE FROM item;
ROLLBACK TO s;
RELEASE s;
REINDEX;
VACUUM;
SELECT 'left', count(*), sum(length(name)), sum(length(body)) FROM item;
SELECT 'integrity', integrity_check FROM pragma_integrity_check;
