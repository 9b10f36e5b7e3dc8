-- fact 2.6 (from memory): sysdepend: btabid is what the view or table dtabid is built on
-- fact 2.6 (verified, manual sqs_1703): an ANSI database wants informix. before the catalog's tables; none minds it
SELECT dtabid, btabid FROM informix.sysdepend ORDER BY dtabid, btabid
