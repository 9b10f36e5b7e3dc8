-- fact 2.5 (verified, manual sqs_0037): SET CONSTRAINTS ALL DEFERRED holds until the end of the transaction
SET CONSTRAINTS ALL DEFERRED
