"""What-if at scale: streams of any size, of several sources, through Theorem 1 and through chance.

`settings` is what a scenario file may say, `reading` finds and reads one, `recurrence` is the expected bias and its
bound, `simulation` adds the noise of sampling, `planning` asks how many human labels a round keep the bias below a
level and what they cost. `docs/scenarios.md` has the formulas.
"""
