-- The sample site: a contact centre's reporting database in SQLite, for demos and tests.
-- synonyms, agroups, dbitems, acd_shifts and the call tables follow published column lists, in part; every other
-- table is a stand-in of our own making, and so are all keys.

-- Administration: 27 tables that a pair keeps equal.

CREATE TABLE synonyms (
    acd_no SMALLINT NOT NULL, item_type CHAR(20) NOT NULL, item_name CHAR(100) NOT NULL, value CHAR(40) NOT NULL,
    descr CHAR(150), standard SMALLINT, PRIMARY KEY (acd_no, item_type, value)
);

CREATE UNIQUE INDEX ix_syn_name ON synonyms (acd_no, item_type, item_name);

CREATE TABLE agroups (
    acd_no SMALLINT NOT NULL, item_type CHAR(20) NOT NULL, item_name CHAR(60) NOT NULL, value CHAR(16) NOT NULL,
    PRIMARY KEY (acd_no, item_type, item_name, value)
);

CREATE TABLE dbitems (
    item_type CHAR(8) NOT NULL, item_name CHAR(60) NOT NULL, formula CHAR(70), standard SMALLINT, descr CHAR(150),
    PRIMARY KEY (item_type, item_name)
);

CREATE TABLE acd_shifts (
    acd SMALLINT NOT NULL, shift_id SMALLINT NOT NULL, start_time SMALLINT, stop_time SMALLINT, max_agents SMALLINT,
    PRIMARY KEY (acd, shift_id)
);

CREATE TABLE acds (
    acd SMALLINT NOT NULL, acd_name CHAR(20), sw_release CHAR(16), vect_on SMALLINT, eas_on SMALLINT,
    PRIMARY KEY (acd)
);

CREATE TABLE acd_groups (
    grp_id SMALLINT NOT NULL, acd SMALLINT NOT NULL, grp_name CHAR(20), PRIMARY KEY (grp_id, acd)
);

CREATE TABLE users (
    user_id CHAR(32) NOT NULL, user_type CHAR(8), login_acd SMALLINT, max_windows SMALLINT, min_refresh SMALLINT,
    printer CHAR(20), room CHAR(16), phone CHAR(20), chg_dt TEXT, PRIMARY KEY (user_id)
);

CREATE TABLE user_feat (
    user_id CHAR(32) NOT NULL, feature CHAR(20) NOT NULL, rd_perm CHAR(1), wr_perm CHAR(1),
    PRIMARY KEY (user_id, feature)
);

CREATE TABLE user_acd (
    user_id CHAR(32) NOT NULL, acd SMALLINT NOT NULL, rd_perm CHAR(1), wr_perm CHAR(1), ex_perm CHAR(1),
    PRIMARY KEY (user_id, acd)
);

CREATE TABLE user_split (
    user_id CHAR(32) NOT NULL, acd SMALLINT NOT NULL, split SMALLINT NOT NULL, rd_perm CHAR(1), wr_perm CHAR(1),
    ex_perm CHAR(1), PRIMARY KEY (user_id, acd, split)
);

CREATE TABLE user_tkgrp (
    user_id CHAR(32) NOT NULL, acd SMALLINT NOT NULL, tkgrp SMALLINT NOT NULL, rd_perm CHAR(1), wr_perm CHAR(1),
    ex_perm CHAR(1), PRIMARY KEY (user_id, acd, tkgrp)
);

CREATE TABLE user_vdn (
    user_id CHAR(32) NOT NULL, acd SMALLINT NOT NULL, vdn CHAR(16) NOT NULL, rd_perm CHAR(1), wr_perm CHAR(1),
    ex_perm CHAR(1), PRIMARY KEY (user_id, acd, vdn)
);

CREATE TABLE user_vector (
    user_id CHAR(32) NOT NULL, acd SMALLINT NOT NULL, vector SMALLINT NOT NULL, rd_perm CHAR(1), wr_perm CHAR(1),
    ex_perm CHAR(1), PRIMARY KEY (user_id, acd, vector)
);

CREATE TABLE user_menu (
    user_id CHAR(32) NOT NULL, menu_name CHAR(20) NOT NULL, access CHAR(1), PRIMARY KEY (user_id, menu_name)
);

CREATE TABLE main_menu (
    menu_name CHAR(20) NOT NULL, seq SMALLINT, command CHAR(128), PRIMARY KEY (menu_name)
);

CREATE TABLE ex_agent (
    acd SMALLINT NOT NULL, extype SMALLINT NOT NULL, active CHAR(1), threshold SMALLINT, tlimit SMALLINT,
    PRIMARY KEY (acd, extype)
);

CREATE TABLE ex_split (
    acd SMALLINT NOT NULL, split SMALLINT NOT NULL, extype SMALLINT NOT NULL, active CHAR(1), threshold SMALLINT,
    tlimit SMALLINT, PRIMARY KEY (acd, split, extype)
);

CREATE TABLE ex_tkgrp (
    acd SMALLINT NOT NULL, tkgrp SMALLINT NOT NULL, extype SMALLINT NOT NULL, active CHAR(1), threshold SMALLINT,
    tlimit SMALLINT, PRIMARY KEY (acd, tkgrp, extype)
);

CREATE TABLE ex_vdn (
    acd SMALLINT NOT NULL, vdn CHAR(16) NOT NULL, extype SMALLINT NOT NULL, active CHAR(1), threshold SMALLINT,
    tlimit SMALLINT, PRIMARY KEY (acd, vdn, extype)
);

CREATE TABLE ex_vector (
    acd SMALLINT NOT NULL, vector SMALLINT NOT NULL, extype SMALLINT NOT NULL, active CHAR(1), threshold SMALLINT,
    tlimit SMALLINT, PRIMARY KEY (acd, vector, extype)
);

CREATE TABLE split_pro (
    acd SMALLINT NOT NULL, split SMALLINT NOT NULL, servicelevel SMALLINT, incr1 SMALLINT, incr2 SMALLINT,
    incr3 SMALLINT, incr9 SMALLINT, PRIMARY KEY (acd, split)
);

CREATE TABLE vdn_pro (
    acd SMALLINT NOT NULL, vdn CHAR(16) NOT NULL, servicelevel SMALLINT, incr1 SMALLINT, incr9 SMALLINT,
    PRIMARY KEY (acd, vdn)
);

CREATE TABLE ds_alloc (
    acd SMALLINT NOT NULL, entity CHAR(12) NOT NULL, n_items INTEGER, days_intra SMALLINT, days_daily SMALLINT,
    wks_weekly SMALLINT, mos_monthly SMALLINT, PRIMARY KEY (acd, entity)
);

CREATE TABLE timetables (
    user_id CHAR(32) NOT NULL, tt_name CHAR(20) NOT NULL, acd SMALLINT, run_on CHAR(1), active CHAR(1),
    start_tm SMALLINT, days CHAR(7), next_run TEXT, PRIMARY KEY (user_id, tt_name)
);

CREATE TABLE tt_tasks (
    user_id CHAR(32) NOT NULL, tt_name CHAR(20) NOT NULL, seq SMALLINT NOT NULL, task CHAR(40), args CHAR(200),
    PRIMARY KEY (user_id, tt_name, seq)
);

CREATE TABLE shortcuts (
    user_id CHAR(32) NOT NULL, sc_name CHAR(20) NOT NULL, seq SMALLINT NOT NULL, action CHAR(200),
    PRIMARY KEY (user_id, sc_name, seq)
);

CREATE TABLE rep_defs (
    rep_id INTEGER NOT NULL, rep_name CHAR(50) NOT NULL, owner CHAR(32) NOT NULL, acc_type CHAR(8),
    rep_type CHAR(2), chg_date DATE, body TEXT, PRIMARY KEY (rep_id)
);

-- Call data: 16 tables that never leave the server on which the calls were counted. Most have no key.

CREATE TABLE hsplit (
    row_date DATE, starttime SMALLINT, intrvl SMALLINT, acd SMALLINT, split SMALLINT, acdcalls SMALLINT,
    acdtime INTEGER, abncalls SMALLINT, i_stafftime INTEGER, incomplete SMALLINT, starttime_utc INTEGER
);

CREATE TABLE dsplit (
    row_date DATE, acd SMALLINT, split SMALLINT, acdcalls INTEGER, acdtime INTEGER, abncalls INTEGER,
    incomplete SMALLINT
);

CREATE TABLE wsplit (
    row_date DATE, acd SMALLINT, split SMALLINT, acdcalls INTEGER, acdtime INTEGER
);

CREATE TABLE msplit (
    row_date DATE, acd SMALLINT, split SMALLINT, acdcalls INTEGER, acdtime INTEGER
);

CREATE TABLE hagent (
    row_date DATE, starttime SMALLINT, intrvl SMALLINT, acd SMALLINT, split SMALLINT, extension CHAR(16),
    logid CHAR(16), loc_id SMALLINT, rsv_level SMALLINT, acdcalls SMALLINT, acdtime SMALLINT, ti_stafftime SMALLINT,
    ti_auxtime1 INTEGER
);

CREATE TABLE dagent (
    row_date DATE, acd SMALLINT, split SMALLINT, extension CHAR(16), logid CHAR(16), loc_id SMALLINT,
    rsv_level SMALLINT, acdcalls INTEGER, acdtime INTEGER, ti_stafftime INTEGER
);

CREATE TABLE hvdn (
    row_date DATE, starttime SMALLINT, intrvl SMALLINT, acd SMALLINT, vdn CHAR(16), vector SMALLINT,
    incalls SMALLINT
);

CREATE TABLE hvector (
    row_date DATE, starttime SMALLINT, intrvl SMALLINT, acd SMALLINT, vector SMALLINT, incalls SMALLINT
);

CREATE TABLE htkgrp (
    row_date DATE, starttime SMALLINT, intrvl SMALLINT, acd SMALLINT, tkgrp SMALLINT, incalls SMALLINT,
    trunks SMALLINT
);

CREATE TABLE hcwc (
    row_date DATE, starttime SMALLINT, intrvl SMALLINT, acd SMALLINT, cwc CHAR(16), acdcalls SMALLINT
);

CREATE TABLE call_rec (
    seqnum INTEGER, acd SMALLINT, callid INTEGER, segment SMALLINT, row_date DATE, row_time SMALLINT,
    segstart INTEGER, segstop INTEGER, anslogin CHAR(16), calling_pty CHAR(25), dialed_num CHAR(25),
    dispvdn CHAR(16), talktime INTEGER, ucid CHAR(21)
);

CREATE TABLE haglog (
    acd SMALLINT, split SMALLINT, row_date DATE, logid CHAR(16), extn CHAR(16), login INTEGER, logout INTEGER,
    logout_date DATE, logout_reason SMALLINT, loc_id INTEGER
);

CREATE TABLE ag_actv (
    acd SMALLINT, row_date DATE, starttime INTEGER, seqno INTEGER, logid CHAR(16), workmode SMALLINT,
    duration INTEGER
);

CREATE TABLE spex (
    acd SMALLINT, row_date DATE, row_time SMALLINT, seqno INTEGER, split SMALLINT, extype SMALLINT,
    threshold SMALLINT, time SMALLINT
);

CREATE TABLE linkex (
    acd SMALLINT, row_date DATE, row_time SMALLINT, seqno INTEGER, reason SMALLINT, duration INTEGER,
    threshold SMALLINT
);

CREATE TABLE d_secs (
    row_date DATE, acd SMALLINT, secsperday INTEGER
);

-- Traps: each looks like something that might be copied, and none may be.

-- A maintainer's spare copy under a name that no list knows.
CREATE TABLE hsplit_old (
    row_date DATE, starttime SMALLINT, intrvl SMALLINT, acd SMALLINT, split SMALLINT, acdcalls SMALLINT,
    acdtime INTEGER, abncalls SMALLINT, i_stafftime INTEGER, incomplete SMALLINT, starttime_utc INTEGER
);

-- A customer's own table: crosses only where the configuration includes it by name.
CREATE TABLE c_schedule (
    logid CHAR(16) NOT NULL, work_date DATE NOT NULL, shift_id SMALLINT, note CHAR(100),
    PRIMARY KEY (logid, work_date)
);

-- Administrative by its chapter in the manual, yet the state of this one server.
CREATE TABLE arch_stat (
    acd SMALLINT NOT NULL, arch_type CHAR(20) NOT NULL, last_time CHAR(20), status CHAR(9), PRIMARY KEY (acd, arch_type)
);

CREATE TABLE customer_log (
    acd_id INT, counts INT, date_occurred DATE, description CHAR(256), error_code INT, last_time INT, severity CHAR(10)
);

-- Call data under innocent names. Where the database has synonyms, names is one.
CREATE VIEW v_names AS SELECT logid, extension, row_date FROM hagent;

CREATE VIEW names AS SELECT * FROM hagent;
