"""`python -m turnwise`: the command line where its script is not on the path, as under `torchrun -m
turnwise`.
"""

from turnwise.cli import main

if __name__ == "__main__":
    main()
