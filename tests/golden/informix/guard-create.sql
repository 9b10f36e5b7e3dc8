-- fact 2.1 (verified, informixcdc): LOCK MODE ROW stands behind the columns; without it pages are locked
CREATE TABLE admin_sync_guard (guarded BOOLEAN NOT NULL) LOCK MODE ROW
