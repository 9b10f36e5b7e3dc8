-- fact 2.5 (verified, linq2db): there is no upsert; MERGE needs a cast of each value, and that of a ? is unsure
-- fact 2.5 (from memory): UPDATE, and where it finds no row INSERT; a failed statement leaves the transaction
-- fact 2.6 (verified, manual sqs_1704): 'owner'.table names a table; an ANSI database wants the owner, and quotes keep its case
UPDATE 'cms'.shortcuts SET number = ?, since = ?, takes = ?, notes = ? WHERE acd_no = ? AND name IS NULL
