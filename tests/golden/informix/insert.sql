-- fact 2.5 (verified, linq2db): VALUES holds one row; many rows are an array of parameters
-- fact 3 (verified, python-ibmdb): execute_many sends an array of parameters
-- fact 2.6 (verified, manual sqs_1704): 'owner'.table names a table; an ANSI database wants the owner, and quotes keep its case
INSERT INTO 'cms'.shortcuts (acd_no, name, number, since, takes, notes) VALUES (?, ?, ?, ?, ?, ?)
