"""The secondary's half of the road: receive and guard, apply, answer chunks."""
