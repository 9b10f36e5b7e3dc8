-- fact 2.6 (verified, manual sqr_072): systables: tabid from 100 on, tabtype T V S P E, rowsize, locklevel, nrows
-- fact 2.6 (verified, manual sqs_1703): an ANSI database wants informix. before the catalog's tables; none minds it
SELECT tabid, TRIM(tabname), TRIM(owner), tabtype, rowsize, locklevel, nrows FROM informix.systables WHERE tabid >= 100 ORDER BY tabid
