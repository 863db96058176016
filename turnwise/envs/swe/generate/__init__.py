"""Generation of repair tasks: put bugs into a repository and keep those its tests detect."""
