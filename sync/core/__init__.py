"""What decides: pure functions and small machines over records and the time, without a wait or a side effect."""
