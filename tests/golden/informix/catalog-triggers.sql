-- fact 2.6 (verified, SymmetricDS): systriggers: trigname, owner, tabid, event (I, U, D)
-- fact 2.6 (verified, manual sqs_1703): an ANSI database wants informix. before the catalog's tables; none minds it
SELECT TRIM(trigname), TRIM(owner), tabid, event FROM informix.systriggers ORDER BY trigid
