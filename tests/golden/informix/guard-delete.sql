-- fact 1.1 (verified, manual sqs_0632): DELETE ON table REFERENCING OLD AS o FOR EACH ROW (…)
-- fact 1.1 (verified, SymmetricDS): WHEN may call a function of the user
-- fact 1.1 (verified, manual sqt_522): actions are INSERT, UPDATE, DELETE and EXECUTE, and read o.column, n.column
-- fact 1.3 (from memory): several triggers of one event may stand on a table since 11.10
CREATE TRIGGER admin_sync_guard_7_delete DELETE ON 'cms'.shortcuts REFERENCING OLD AS o FOR EACH ROW WHEN (NOT admin_sync_is_applying()) (EXECUTE PROCEDURE admin_sync_refuse())
