-- fact 2.6 (verified, manual sqr_029): sysconstraints: constrtype P, U, R, C, N, and the index behind it
-- fact 2.6 (verified, linq2db): sysindexes: part1 to part16 are column numbers, 0 for none, negative for descending
-- fact 2.6 (verified, manual sqs_1703): an ANSI database wants informix. before the catalog's tables; none minds it
SELECT TRIM(c.constrname), c.constrtype, i.idxtype, i.part1, i.part2, i.part3, i.part4, i.part5, i.part6, i.part7, i.part8, i.part9, i.part10, i.part11, i.part12, i.part13, i.part14, i.part15, i.part16 FROM informix.sysconstraints AS c JOIN informix.sysindexes AS i ON i.idxname = c.idxname AND i.tabid = c.tabid WHERE c.tabid = ? ORDER BY c.constrid
