-- fact 2.6 (verified, manual sqr_047): sysobjstate: objtype T, name, tabid, state (D is disabled)
-- fact 2.6 (verified, manual sqs_1703): an ANSI database wants informix. before the catalog's tables; none minds it
SELECT TRIM(name), TRIM(owner), tabid, state FROM informix.sysobjstate WHERE objtype = 'T' ORDER BY tabid
