"""Official game files: PDDL domain, text grammar, problem, and the folder of a trial."""
