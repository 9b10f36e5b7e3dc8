-- fact 2.2 (verified, manual of 12.10): LAST COMMITTED gives the version before, where rows are locked and not pages
-- fact 2.1 (verified, informixcdc): LOCK MODE ROW stands behind the columns; without it pages are locked
-- fact 2.5 (verified, linq2db): value::type casts
-- fact 3 (from memory): a driver gives an interval where it is cast to CHAR
SELECT seq, op, k1, k2, c1, c2, c3, c4, c5::CHAR(30) FROM admin_sync_image_7 ORDER BY seq
