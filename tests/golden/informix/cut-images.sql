-- fact 2.3 (inferred): what was shipped is deleted by its own numbers, never by a high-water mark
-- fact 2.5 (verified, linq2db): value::type casts
-- fact 3 (from memory): a driver gives an interval where it is cast to CHAR
SELECT seq, op, k1, k2, c1, c2, c3, c4, c5::CHAR(30) FROM admin_sync_image_7 ORDER BY seq
