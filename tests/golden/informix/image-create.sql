-- fact 2.1 (verified, informixcdc): LOCK MODE ROW stands behind the columns; without it pages are locked
-- fact 2.1 (from memory): BIGSERIAL exists since 11.50
-- fact 1.4 (verified, SymmetricDS): a constraint's name stands behind it: PRIMARY KEY (c) CONSTRAINT name
-- fact 1.3 (verified, SymmetricDS): TEXT, BYTE, BLOB and CLOB can not be read in a trigger: the row is read again by its key
CREATE TABLE admin_sync_image_7 (seq BIGSERIAL NOT NULL, op CHAR(1) NOT NULL, k1 SMALLINT, k2 CHAR(20), c1 SMALLINT, c2 CHAR(20), c3 INTEGER, c4 DATETIME YEAR TO FRACTION(5), c5 INTERVAL DAY(3) TO SECOND, PRIMARY KEY (seq) CONSTRAINT admin_sync_image_7_pk) LOCK MODE ROW
