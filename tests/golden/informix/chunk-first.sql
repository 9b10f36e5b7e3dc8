-- fact 2.5 (verified, manual sqt_074): SELECT SKIP n FIRST m stands before the columns
-- fact 2.6 (verified, manual sqs_1704): 'owner'.table names a table; an ANSI database wants the owner, and quotes keep its case
-- fact 2.5 (verified, linq2db): value::type casts
-- fact 3 (from memory): a driver gives an interval where it is cast to CHAR
SELECT FIRST 500 acd_no, name, number, since, takes::CHAR(30), notes FROM 'cms'.shortcuts ORDER BY acd_no, name
