-- fact 2.2 (from memory): DIRTY READ sees what is not committed, takes no lock and waits for none
SELECT seq FROM admin_sync_journal
