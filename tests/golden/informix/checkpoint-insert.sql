-- fact 2.5 (verified, linq2db): there is no upsert; MERGE needs a cast of each value, and that of a ? is unsure
-- fact 2.5 (from memory): UPDATE, and where it finds no row INSERT; a failed statement leaves the transaction
INSERT INTO admin_sync_checkpoint (epoch, position, origin) VALUES (?, ?, ?)
