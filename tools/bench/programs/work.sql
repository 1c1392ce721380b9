-- A table of :n rows with indexes; joins, groups, updates, deletes, vacuum.
-- The checksums are printed. :n is set by the caller.
PRAGMA cache_size = -8000;
CREATE TABLE item (id INTEGER PRIMARY KEY, kind INTEGER, name TEXT, price REAL);
BEGIN;
WITH RECURSIVE row(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM row WHERE i < :n)
INSERT INTO item
SELECT i, i * 7919 % 1009, 'name ' || (i * 104729 % 65537), i % 1000 / 10.0
FROM row;
COMMIT;
CREATE INDEX item_kind ON item (kind, price);
CREATE INDEX item_name ON item (name);
CREATE TABLE kind (id INTEGER PRIMARY KEY, title TEXT);
INSERT INTO kind SELECT DISTINCT kind, 'kind ' || kind FROM item;
SELECT count(*), sum(length(title)) FROM item JOIN kind ON kind.id = item.kind;
SELECT sum(c), max(t) FROM (SELECT count(*) AS c, total(price) AS t FROM item
                            GROUP BY name);
SELECT sum(length(names)) FROM (SELECT group_concat(name) AS names FROM item
                                GROUP BY kind);
UPDATE item SET name = name || '!' WHERE kind % 3 = 0;
DELETE FROM item WHERE id % 5 = 0;
SELECT count(*), count(DISTINCT name), sum(length(name)) FROM item;
VACUUM;
PRAGMA integrity_check;
