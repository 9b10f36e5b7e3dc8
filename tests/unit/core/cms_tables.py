"""The tables of a call centre's reporting database, as far as their columns matter to the filter."""

from __future__ import annotations

from collections.abc import Sequence

from sync.model.catalog import Relation, TableFacts
from sync.model.schema import Column, Kind, TableSchema, Type

ADMIN = {
    "synonyms": "acd_no item_type item_name value descr standard",
    "agroups": "acd_no item_type item_name value",
    "dbitems": "item_type item_name formula standard descr",
    "acd_shifts": "acd shift_id start_time stop_time max_agents",
    "acds": "acd acd_name sw_release vect_on eas_on",
    "acd_groups": "grp_id acd grp_name",
    "users": "user_id user_type login_acd max_windows min_refresh printer room phone chg_dt",
    "user_feat": "user_id feature rd_perm wr_perm",
    "user_acd": "user_id acd rd_perm wr_perm ex_perm",
    "user_split": "user_id acd split rd_perm wr_perm ex_perm",
    "user_tkgrp": "user_id acd tkgrp rd_perm wr_perm ex_perm",
    "user_vdn": "user_id acd vdn rd_perm wr_perm ex_perm",
    "user_vector": "user_id acd vector rd_perm wr_perm ex_perm",
    "user_menu": "user_id menu_name access",
    "main_menu": "menu_name seq command",
    "ex_agent": "acd extype active threshold tlimit",
    "ex_split": "acd split extype active threshold tlimit",
    "ex_tkgrp": "acd tkgrp extype active threshold tlimit",
    "ex_vdn": "acd vdn extype active threshold tlimit",
    "ex_vector": "acd vector extype active threshold tlimit",
    "split_pro": "acd split servicelevel incr1 incr2 incr3 incr9",
    "vdn_pro": "acd vdn servicelevel incr1 incr9",
    "ds_alloc": "acd entity n_items days_intra days_daily wks_weekly mos_monthly",
    "timetables": "user_id tt_name acd run_on active start_tm days next_run",
    "tt_tasks": "user_id tt_name seq task args",
    "shortcuts": "user_id sc_name seq action",
    "rep_defs": "rep_id rep_name owner acc_type rep_type chg_date body",
}
CALL = {
    "hsplit": "row_date starttime intrvl acd split acdcalls acdtime abncalls i_stafftime incomplete starttime_utc",
    "dsplit": "row_date acd split acdcalls acdtime abncalls incomplete",
    "wsplit": "row_date acd split acdcalls acdtime",
    "msplit": "row_date acd split acdcalls acdtime",
    "hagent": "row_date starttime intrvl acd split extension logid loc_id rsv_level acdcalls acdtime ti_stafftime",
    "dagent": "row_date acd split extension logid loc_id rsv_level acdcalls acdtime ti_stafftime",
    "hvdn": "row_date starttime intrvl acd vdn vector incalls",
    "hvector": "row_date starttime intrvl acd vector incalls",
    "htkgrp": "row_date starttime intrvl acd tkgrp incalls trunks",
    "hcwc": "row_date starttime intrvl acd cwc acdcalls",
    "call_rec": "seqnum acd callid segment row_date row_time segstart segstop anslogin calling_pty dialed_num ucid",
    "haglog": "acd split row_date logid extn login logout logout_date logout_reason loc_id",
    "ag_actv": "acd row_date starttime seqno logid workmode duration",
    "spex": "acd row_date row_time seqno split extype threshold time",
    "linkex": "acd row_date row_time seqno reason duration threshold",
    "d_secs": "row_date acd secsperday",
}


def table_facts(
    name: str,
    columns: str = "id value",
    *,
    relation: Relation = Relation.TABLE,
    bases: Sequence[str] = (),
    obstacles: Sequence[str] = (),
    key: tuple[int, ...] = (0,),
) -> TableFacts:
    """A table with integer columns, the first one its key."""
    schema = TableSchema(name, tuple(Column(c, Type(Kind.INT32)) for c in columns.split()), key)
    return TableFacts(schema, relation, tuple(bases), tuple(obstacles))
