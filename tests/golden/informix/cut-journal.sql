-- fact 2.3 (from memory): LOCK TABLE IN SHARE MODE waits for whoever has written and not committed
SELECT seq, tbl FROM admin_sync_journal ORDER BY seq
