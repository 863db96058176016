"""Writing games as the original does: a PDDL domain, a text grammar, a problem, and the files of a
trial.
"""
