"""Between today's Experiment files and those of other systems: a pure reader and writer for each.

A reader makes a `Definition` of a file's data, a writer makes data of a `Definition`; both say by
name what they could not carry over. `kinds` lists the systems.
"""
