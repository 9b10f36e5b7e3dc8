-- fact 2.3 (inferred): what was shipped is deleted by its own numbers, never by a high-water mark
DELETE FROM admin_sync_image_7 WHERE seq = ?
