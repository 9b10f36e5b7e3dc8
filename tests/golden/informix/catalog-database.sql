-- fact 2.6 (verified, SymmetricDS): dbinfo('dbname') and DBINFO('version', 'full')
-- fact 1.5 (verified, SymmetricDS): SELECT f('t') FROM sysmaster:sysdual calls a function
SELECT DBINFO('dbname'), TRIM(USER), DBINFO('version', 'full') FROM sysmaster:sysdual
