-- fact 2.6 (from memory): syssyntable: tabid, btabid, or servername, dbname, owner, tabname of what is elsewhere
-- fact 2.6 (verified, manual sqs_1703): an ANSI database wants informix. before the catalog's tables; none minds it
SELECT tabid, btabid, servername, dbname, TRIM(owner), tabname FROM informix.syssyntable
