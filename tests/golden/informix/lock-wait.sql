-- fact 2.2 (verified, manual sqs SET LOCK MODE): SET LOCK MODE TO WAIT seconds; without it a lock is an error at once
SET LOCK MODE TO WAIT 30
