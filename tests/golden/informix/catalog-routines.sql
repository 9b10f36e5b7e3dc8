-- fact 2.6 (verified, SymmetricDS): sysprocedures: procname, owner, procid
-- fact 2.6 (verified, manual sqs_1703): an ANSI database wants informix. before the catalog's tables; none minds it
SELECT TRIM(procname), TRIM(owner) FROM informix.sysprocedures ORDER BY procid
