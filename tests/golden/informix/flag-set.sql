-- fact 1.5 (verified, SymmetricDS): SELECT f('t') FROM sysmaster:sysdual calls a function
-- fact 1.5 (verified, manual sqs_0177): a global variable is not undone by a rollback: it is set anew in each connection
SELECT admin_sync_set_applying('t') FROM sysmaster:sysdual
