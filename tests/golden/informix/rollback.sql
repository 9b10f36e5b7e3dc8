-- fact 2.4 (verified, informix-driver): a database that is not ANSI needs BEGIN WORK for each transaction
ROLLBACK WORK
