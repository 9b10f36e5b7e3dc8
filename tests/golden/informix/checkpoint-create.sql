-- fact 2.1 (verified, informixcdc): LOCK MODE ROW stands behind the columns; without it pages are locked
-- fact 1.4 (verified, SymmetricDS): a constraint's name stands behind it: PRIMARY KEY (c) CONSTRAINT name
-- fact 2.5 (verified, SymmetricDS): names are stored in lower case; a plain one means the same with and without DELIMIDENT
CREATE TABLE admin_sync_checkpoint (origin VARCHAR(64) NOT NULL, epoch BIGINT NOT NULL, position BIGINT NOT NULL, PRIMARY KEY (origin) CONSTRAINT admin_sync_checkpoint_pk) LOCK MODE ROW
