-- fact 2.3 (from memory): LOCK TABLE IN SHARE MODE waits for whoever has written and not committed
-- fact 2.1 (verified, informixcdc): LOCK MODE ROW stands behind the columns; without it pages are locked
LOCK TABLE admin_sync_journal IN SHARE MODE
