-- fact 2.2 (verified, manual of 12.10): LAST COMMITTED gives the version before, where rows are locked and not pages
-- fact 2.1 (verified, informixcdc): LOCK MODE ROW stands behind the columns; without it pages are locked
SELECT seq, tbl FROM admin_sync_journal ORDER BY seq
