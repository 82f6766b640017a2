"""What searchers are measured on: a recorded table, made-up spaces, a contest.

`table` reads the recorded trainings of every network of a small space,
`recording` makes them, `spaces` has analytic token spaces, `rivals` the
searchers of other libraries, and `contest` runs them all alike.
"""
