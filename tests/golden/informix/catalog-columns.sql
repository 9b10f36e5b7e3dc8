-- fact 2.6 (verified, informixcdc): syscolumns: colno, colname, coltype, collength, extended_id; sysxtdtypes has the name
-- fact 2.6 (verified, manual sqs_1703): an ANSI database wants informix. before the catalog's tables; none minds it
SELECT c.colno, TRIM(c.colname), c.coltype, c.collength, x.name FROM informix.syscolumns AS c LEFT JOIN informix.sysxtdtypes AS x ON c.extended_id = x.extended_id WHERE c.tabid = ? ORDER BY c.colno
