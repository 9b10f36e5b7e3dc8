-- fact 1.3 (verified, SymmetricDS): TEXT, BYTE, BLOB and CLOB can not be read in a trigger: the row is read again by its key
-- fact 2.6 (verified, manual sqs_1704): 'owner'.table names a table; an ANSI database wants the owner, and quotes keep its case
SELECT notes FROM 'cms'.shortcuts WHERE acd_no = ? AND name = ?
