"""Longest-match regular expressions in one pass, without backtracking.

Python's `re` takes the first alternative that matches, while a tokenizer needs the longest. For a
grammar as ambiguous as word breaking the two differ, and backtracking is exponential on hostile
text. The pattern is therefore compiled to a nondeterministic automaton (K. Thompson, CACM 11(6),
1968), whose deterministic states are built lazily, when they are first reached.
"""

from __future__ import annotations

SPECIAL = frozenset("()[]|*+?")
DEAD, UNEXPLORED = -1, -2
"""Results of a move: no match can follow; the move has not been computed yet."""


class Automaton:
    """A compiled pattern of single characters and `( ) | [..] * + ?`; blanks in it are ignored.

    Raises:
        ValueError: if brackets do not pair or an operator has no operand.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern, self._at = "".join(pattern.split()), 0
        self._empty: list[list[int]] = []
        self._edge: list[tuple[frozenset[str], int] | None] = []
        start, self._end = self._alternatives()
        if self._at != len(self._pattern):
            raise ValueError(f"unpaired bracket at {self._at} of {self._pattern!r}")
        first = self._closure({start})
        self._sets, self._numbers = [first], {first: 0}
        self.accepting = [self._end in first]
        self.moves: list[dict[str, int]] = [{}]

    def longest(self, text: str, begin: int, end: int) -> int:
        """Return the end of the longest match in `text[begin:end]` from `begin` on.

        The result is `begin` if nothing matches.
        """
        moves, accepting = self.moves, self.accepting
        state, found = 0, begin
        for at in range(begin, end):
            character = text[at]
            state = moves[state].get(character, UNEXPLORED)
            if state == UNEXPLORED:
                state = self._explore(text, begin, at)
            if state == DEAD:
                break
            if accepting[state]:
                found = at + 1
        return found

    def _explore(self, text: str, begin: int, at: int) -> int:
        """Compute and store the move on `text[at]` after `text[begin:at]`; return its target."""
        # The state is not passed in, to keep the loop of `longest` small; this happens rarely.
        state = 0
        for character in text[begin:at]:
            state = self.moves[state][character]
        character = text[at]
        edges = (self._edge[node] for node in self._sets[state])
        reached = self._closure(
            {edge[1] for edge in edges if edge is not None and character in edge[0]}
        )
        number = DEAD
        if reached:
            number = self._numbers.setdefault(reached, len(self._sets))
            if number == len(self._sets):
                self._sets.append(reached)
                self.accepting.append(self._end in reached)
                self.moves.append({})
        self.moves[state][character] = number
        return number

    def _closure(self, nodes: set[int]) -> frozenset[int]:
        reached, waiting = set(nodes), list(nodes)
        while waiting:
            for node in self._empty[waiting.pop()]:
                if node not in reached:
                    reached.add(node)
                    waiting.append(node)
        return frozenset(reached)

    # Recursive descent over the pattern. Each method parses one part and returns the first and the
    # last node of its automaton.

    def _node(self) -> int:
        self._empty.append([])
        self._edge.append(None)
        return len(self._edge) - 1

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _alternatives(self) -> tuple[int, int]:
        first, last = self._node(), self._node()
        while True:
            begin, end = self._sequence()
            self._empty[first].append(begin)
            self._empty[end].append(last)
            if self._peek() != "|":
                return first, last
            self._at += 1

    def _sequence(self) -> tuple[int, int]:
        first = last = self._node()
        while self._peek() not in ("", "|", ")"):
            begin, end = self._repeated()
            self._empty[last].append(begin)
            last = end
        return first, last

    def _repeated(self) -> tuple[int, int]:
        begin, end = self._atom()
        while self._peek() in ("*", "+", "?") and self._peek():
            operator = self._peek()
            self._at += 1
            first, last = self._node(), self._node()
            self._empty[first].append(begin)
            self._empty[end].append(last)
            if operator != "+":
                self._empty[first].append(last)
            if operator != "?":
                self._empty[end].append(begin)
            begin, end = first, last
        return begin, end

    def _atom(self) -> tuple[int, int]:
        character = self._peek()
        self._at += 1
        if character == "(":
            inside = self._alternatives()
            if self._peek() != ")":
                raise ValueError(f"a bracket is not closed in {self._pattern!r}")
            self._at += 1
            return inside
        choice = frozenset(character)
        if character == "[":
            close = self._pattern.find("]", self._at)
            if close < 0:
                raise ValueError(f"a bracket is not closed in {self._pattern!r}")
            choice, self._at = frozenset(self._pattern[self._at : close]), close + 1
        elif character in SPECIAL:
            raise ValueError(
                f"{character!r} at {self._at - 1} of {self._pattern!r} has nothing to act on"
            )
        first, last = self._node(), self._node()
        self._edge[first] = (choice, last)
        return first, last
