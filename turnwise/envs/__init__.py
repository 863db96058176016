"""Where agents act: environments under one contract (`turnwise.envs.core`), and the list of them (`registration`)."""
