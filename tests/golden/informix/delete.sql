-- fact 2.6 (verified, manual sqs_1704): 'owner'.table names a table; an ANSI database wants the owner, and quotes keep its case
-- fact 2.5 (verified, SymmetricDS): names are stored in lower case; a plain one means the same with and without DELIMIDENT
DELETE FROM 'cms'.shortcuts WHERE acd_no = ? AND name = ?
