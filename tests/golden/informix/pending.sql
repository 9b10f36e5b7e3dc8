-- fact 2.5 (verified, manual sqt_074): SELECT SKIP n FIRST m stands before the columns
-- fact 2.2 (from memory): DIRTY READ sees what is not committed, takes no lock and waits for none
SELECT FIRST 1 seq FROM admin_sync_journal
