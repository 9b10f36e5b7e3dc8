-- fact 1.2 (verified, manual sqt_554): RAISE EXCEPTION -746, 0, text refuses with a text of at most 70 bytes
-- fact 1.2 (verified, manual sqt_556): LET variable = (SELECT …); IF … THEN …; END IF; in a routine
-- fact 1.2 (verified, python-ibmdb): a routine is sent as one text, with its semicolons, and ends in END FUNCTION
CREATE PROCEDURE admin_sync_refuse() DEFINE stands INTEGER; LET stands = (SELECT COUNT(*) FROM admin_sync_guard WHERE guarded = 't'); IF stands > 0 THEN RAISE EXCEPTION -746, 0, 'Admin-Sync: this table is kept by the primary; change it there'; END IF; END PROCEDURE
