-- fact 1.1 (verified, SymmetricDS): UPDATE [OF columns] ON table REFERENCING OLD AS o NEW AS n, no comma between
-- fact 1.1 (verified, SymmetricDS): WHEN may call a function of the user
-- fact 1.1 (verified, manual sqt_522): actions are INSERT, UPDATE, DELETE and EXECUTE, and read o.column, n.column
-- fact 2.1 (verified, 4js): 0 in a serial column makes the server choose the next number
-- fact 1.3 (from memory): several triggers of one event may stand on a table since 11.10
CREATE TRIGGER admin_sync_7_update UPDATE OF acd_no, name, number, since, takes, notes ON 'cms'.shortcuts REFERENCING OLD AS o NEW AS n FOR EACH ROW WHEN (NOT admin_sync_is_applying()) (INSERT INTO admin_sync_journal (seq, tbl) VALUES (0, 7), INSERT INTO admin_sync_image_7 (seq, op, k1, k2, c1, c2, c3, c4, c5) VALUES (0, 'U', o.acd_no, o.name, n.acd_no, n.name, n.number, n.since, n.takes))
