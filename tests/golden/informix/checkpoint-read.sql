-- fact 2.5 (verified, SymmetricDS): names are stored in lower case; a plain one means the same with and without DELIMIDENT
SELECT origin, epoch, position FROM admin_sync_checkpoint
