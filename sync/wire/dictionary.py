"""Bytes that both ends know before the first one comes: what the contents of a small batch usually say.

The rule it keeps: these bytes are part of payload version 1 and never change; a better dictionary needs a new version.
They are the schemas of the sample site, as `sync.wire.schemas` packs them. Other tables are carried as well, with a
few dozen bytes more in a batch of one row.
"""

from __future__ import annotations

from typing import Final

from sync.wire.checks import pack

_TABLES_V1: Final = """
agroups 0,1,2,3 acd_no:int16:0 item_type:char:20 item_name:char:60 value:char:16
dbitems 0,1 item_type:char:8 item_name:char:60 formula:char:70:null standard:int16:0:null descr:char:150:null
acd_shifts 0,1 acd:int16:0 shift_id:int16:0 start_time:int16:0:null stop_time:int16:0:null max_agents:int16:0:null
user_feat 0,1 user_id:char:32 feature:char:20 rd_perm:char:1:null wr_perm:char:1:null
user_acd 0,1 user_id:char:32 acd:int16:0 rd_perm:char:1:null wr_perm:char:1:null ex_perm:char:1:null
user_split 0,1,2 user_id:char:32 acd:int16:0 split:int16:0 rd_perm:char:1:null wr_perm:char:1:null ex_perm:char:1:null
user_tkgrp 0,1,2 user_id:char:32 acd:int16:0 tkgrp:int16:0 rd_perm:char:1:null wr_perm:char:1:null ex_perm:char:1:null
user_vdn 0,1,2 user_id:char:32 acd:int16:0 vdn:char:16 rd_perm:char:1:null wr_perm:char:1:null ex_perm:char:1:null
user_vector 0,1,2 user_id:char:32 acd:int16:0 vector:int16:0 rd_perm:char:1:null wr_perm:char:1:null ex_perm:char:1:null
user_menu 0,1 user_id:char:32 menu_name:char:20 access:char:1:null
main_menu 0 menu_name:char:20 seq:int16:0:null command:char:128:null
ex_agent 0,1 acd:int16:0 extype:int16:0 active:char:1:null threshold:int16:0:null tlimit:int16:0:null
ex_split 0,1,2 acd:int16:0 split:int16:0 extype:int16:0 active:char:1:null threshold:int16:0:null tlimit:int16:0:null
ex_tkgrp 0,1,2 acd:int16:0 tkgrp:int16:0 extype:int16:0 active:char:1:null threshold:int16:0:null tlimit:int16:0:null
ex_vdn 0,1,2 acd:int16:0 vdn:char:16 extype:int16:0 active:char:1:null threshold:int16:0:null tlimit:int16:0:null
ex_vector 0,1,2 acd:int16:0 vector:int16:0 extype:int16:0 active:char:1:null threshold:int16:0:null tlimit:int16:0:null
timetables 0,1 user_id:char:32 tt_name:char:20 acd:int16:0:null start_tm:int16:0:null days:char:7:null
tt_tasks 0,1,2 user_id:char:32 tt_name:char:20 seq:int16:0 task:char:40:null args:char:200:null
shortcuts 0,1,2 user_id:char:32 sc_name:char:20 seq:int16:0 action:char:200:null
rep_defs 0 rep_id:int32:0 rep_name:char:50 owner:char:32 acc_type:char:8:null rep_type:char:2:null chg_date:date:0:null
other 0 id:int64:0 a:varchar:255:null b:varchar:50:null c:text:0:null d:bool:0 e:float:0:null f:any:0:null g:uuid:0
synonyms 0,1,3 acd_no:int16:0 item_type:char:20 item_name:char:100 value:char:40 descr:char:150:null \
standard:int16:0:null
users 0 user_id:char:32 user_type:char:8:null login_acd:int16:0:null max_windows:int16:0:null min_refresh:int16:0:null \
room:char:16:null phone:char:20:null chg_dt:datetime:0:null
"""


def _packed(line: str) -> bytes:
    name, key, *columns = line.split()
    packed: list[list[object]] = []
    for column in columns:
        title, kind, length, *null = column.split(":")
        packed.append([title, kind, int(length), 0, "", bool(null)])
    return pack([name, list(map(int, key.split(","))), packed])


DICTIONARY_V1: Final = b"".join(map(_packed, _TABLES_V1.strip().splitlines()))
"""Raw content for zstd, without a header of its own."""
