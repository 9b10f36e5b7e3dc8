"""Every statement that the adapter sends, made by pure functions.

The rule it keeps: values are bound, never written; a name is written only where it is plain; and a statement knows its
kind, by which `facts` says what it rests on. A driver takes nothing but these.

    capture   journal, images, the flag of our own session, triggers, cuts
    apply     session settings, rows, checkpoint, guard
    chunks    reads of a table in key order
    catalog   what a database holds
"""
