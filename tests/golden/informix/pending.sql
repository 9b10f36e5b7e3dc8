-- fact 2.5 (verified, manual sqt_074): SELECT SKIP n FIRST m stands before the columns
-- fact 2.2 (verified, 4js): SET ISOLATION TO DIRTY READ, COMMITTED READ [LAST COMMITTED], REPEATABLE READ
SELECT FIRST 1 seq FROM admin_sync_journal
