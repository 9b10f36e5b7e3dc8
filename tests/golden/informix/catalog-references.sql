-- fact 2.6 (verified, django_informixdb): sysreferences: constrid, primary, ptabid, delrule, C where it cascades
-- fact 2.6 (verified, manual sqs_1703): an ANSI database wants informix. before the catalog's tables; none minds it
SELECT TRIM(c.constrname), r.ptabid, r.delrule FROM informix.sysconstraints AS c JOIN informix.sysreferences AS r ON r.constrid = c.constrid WHERE c.tabid = ? ORDER BY c.constrid
