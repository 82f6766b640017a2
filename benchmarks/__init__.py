"""What searchers are measured on: a recorded table, made-up spaces, a contest.

`recording` makes and `table` reads the recorded trainings of every network of
a small space; `problems` has analytic token spaces and `table_problems` those
made of recorded trainings; `rivals_*` are the searchers of other libraries;
`contest` runs them all alike and `contest_results` keeps what came of it.
"""
