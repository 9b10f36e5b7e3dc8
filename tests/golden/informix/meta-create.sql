-- fact 2.1 (verified, informixcdc): LOCK MODE ROW stands behind the columns; without it pages are locked
-- fact 1.4 (verified, SymmetricDS): a constraint's name stands behind it: PRIMARY KEY (c) CONSTRAINT name
CREATE TABLE admin_sync_meta (name VARCHAR(128) NOT NULL, value LVARCHAR(4096), PRIMARY KEY (name) CONSTRAINT admin_sync_meta_pk) LOCK MODE ROW
