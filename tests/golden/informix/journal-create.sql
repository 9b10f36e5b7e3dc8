-- fact 2.1 (verified, informixcdc): LOCK MODE ROW stands behind the columns; without it pages are locked
-- fact 2.1 (from memory): BIGSERIAL exists since 11.50
-- fact 1.4 (verified, SymmetricDS): a constraint's name stands behind it: PRIMARY KEY (c) CONSTRAINT name
CREATE TABLE admin_sync_journal (seq BIGSERIAL NOT NULL, tbl INTEGER NOT NULL, PRIMARY KEY (seq) CONSTRAINT admin_sync_journal_pk) LOCK MODE ROW
