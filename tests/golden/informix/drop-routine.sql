-- fact 2.5 (verified, SymmetricDS): names are stored in lower case; a plain one means the same with and without DELIMIDENT
DROP FUNCTION admin_sync_is_applying
