-- fact 2.5 (verified, SymmetricDS): names are stored in lower case; a plain one means the same with and without DELIMIDENT
DROP TABLE admin_sync_journal
