-- fact 2.4 (verified, manual admin_0683): sysmaster:sysdatabases has name, is_logging, is_buff_log, is_ansi
SELECT is_logging, is_buff_log, is_ansi FROM sysmaster:sysdatabases WHERE name = ?
