-- fact 1.5 (verified, SymmetricDS): DEFINE GLOBAL with a DEFAULT is one variable for all routines of a session
-- fact 1.2 (verified, python-ibmdb): a routine is sent as one text, with its semicolons, and ends in END FUNCTION
CREATE FUNCTION admin_sync_set_applying(flag BOOLEAN) RETURNING BOOLEAN; DEFINE GLOBAL admin_sync_applying BOOLEAN DEFAULT 'f'; LET admin_sync_applying = flag; RETURN admin_sync_applying; END FUNCTION
