"""The sentences of the `full` wording: how each relation is stated, meant inside a question, and
asked after.
"""

from __future__ import annotations

NOUNS: dict[str, tuple[str, ...]] = {
    "person": (
        "botanist",
        "painter",
        "surveyor",
        "poet",
        "chemist",
        "composer",
        "sailor",
        "judge",
        "weaver",
        "astronomer",
        "clockmaker",
    ),
    "work": ("novel", "opera", "play", "poem", "atlas", "memoir", "ballad"),
    "firm": ("brewery", "guild", "shipyard", "academy", "bank", "theatre company", "newspaper"),
    "town": ("town", "port", "village", "city"),
    "land": ("kingdom", "republic", "duchy", "island state"),
}
"""What an entity is, beside its kind."""
OPENING = (
    "{name} is {a} {noun}.",
    "{name}: {a} {noun} of some renown.",
    "{name} is known far and wide as {a} {noun}.",
)
OBJECTS = (
    "Lantern",
    "Orchard",
    "Ferry",
    "Winter",
    "Mirror",
    "Bridge",
    "Garden",
    "Letters",
    "Silence",
    "Road",
)
HOUSES = ("Brothers", "House", "Union", "Society", "Works", "Hall")
BEFORE_TOWN = ("New", "Upper", "Lower", "Port", "Old", "Fort")
PAPERS = ("Evening Post", "Almanac", "Court Record", "Travel Diary", "Harbour Gazette")

STATED: dict[str, tuple[str, ...]] = {
    "author": ("{s} was written by {o}.", "it is from the pen of {o}.", "{o} is its author."),
    "publisher": ("{o} published it.", "{s} came out with {o}.", "its publisher was {o}."),
    "setting": ("it is set in {o}.", "the scene of {s} is {o}.", "{s} plays in {o}."),
    "published": ("it was first published in {o}.", "{s} appeared in {o}.", "the first edition is of {o}."),
    "birthplace": ("{s} was born in {o}.", "{o} is the birthplace of {s}.", "a native of {o}."),
    "employer": ("{s} works for {o}.", "{s} is employed by {o}.", "the employer is {o}."),
    "spouse": ("{s} is married to {o}.", "{s} and {o} are married.", "the spouse is {o}."),
    "teacher": ("{s} was taught by {o}.", "the teacher of {s} was {o}.", "{s} learned the trade from {o}."),
    "born": ("the year of birth is {o}.", "{s} was born in the year {o}.", "the birth took place in {o}."),
    "founder": ("{s} was founded by {o}.", "its founder is {o}.", "{o} founded {s}."),
    "seat": ("{s} has its headquarters in {o}.", "it is based in {o}.", "its head office is in {o}."),
    "founded": ("it was founded in {o}.", "{s} has existed since {o}.", "the founding year is {o}."),
    "country": ("{s} lies in {o}.", "it belongs to {o}.", "it is part of {o}."),
    "mayor": ("the mayor of {s} is {o}.", "its mayor is {o}.", "{o} governs {s} as mayor."),
    "capital": ("its capital is {o}.", "{o} is the capital of {s}.", "the capital of {s} is {o}."),
    "ruler": ("{s} is ruled by {o}.", "its ruler is {o}.", "{o} rules {s}."),
}  # fmt: skip
MEANT: dict[str, tuple[str, ...]] = {
    "author": ("the author of {}", "the person who wrote {}"),
    "publisher": ("the publisher of {}", "the house that published {}"),
    "setting": ("the place where {} is set", "the setting of {}"),
    "birthplace": ("the birthplace of {}", "the place where {} was born"),
    "employer": ("the employer of {}", "the organisation that employs {}"),
    "spouse": ("the spouse of {}", "the person married to {}"),
    "teacher": ("the teacher of {}", "the person who taught {}"),
    "founder": ("the founder of {}", "the person who founded {}"),
    "seat": ("the place where {} is based", "the place with the headquarters of {}"),
    "country": ("the country of {}", "the country in which {} lies"),
    "mayor": ("the mayor of {}",),
    "capital": ("the capital of {}",),
    "ruler": ("the ruler of {}",),
}  # fmt: skip
ASKED: dict[str, tuple[str, ...]] = {
    "author": ("Who wrote {}?", "Who is the author of {}?"),
    "publisher": ("Who published {}?", "What is the publisher of {}?"),
    "setting": ("Where is {} set?", "In which place is {} set?"),
    "published": ("In which year was {} published?", "When did {} first appear?"),
    "birthplace": ("Where was {} born?", "In which place was {} born?"),
    "employer": ("For whom does {} work?", "What is the employer of {}?"),
    "spouse": ("To whom is {} married?", "Who is the spouse of {}?"),
    "teacher": ("Who taught {}?", "Who was the teacher of {}?"),
    "born": ("In which year was {} born?", "What is the year of birth of {}?"),
    "founder": ("Who founded {}?", "Who is the founder of {}?"),
    "seat": ("Where is {} based?", "In which place does {} have its headquarters?"),
    "founded": ("In which year was {} founded?", "Since when has {} existed?"),
    "country": ("In which country is {}?", "To which country does {} belong?"),
    "mayor": ("Who is the mayor of {}?",),
    "capital": ("What is the capital of {}?",),
    "ruler": ("Who rules {}?", "Who is the ruler of {}?"),
}  # fmt: skip
HAVING: dict[str, str] = {
    "author": "was written by {}", "publisher": "was published by {}", "setting": "is set in {}", "birthplace": "was born in {}",
    "employer": "works for {}", "spouse": "is married to {}", "teacher": "was taught by {}", "founder": "was founded by {}",
    "seat": "is based in {}", "country": "lies in {}", "mayor": "has {} as mayor", "capital": "has {} as its capital",
    "ruler": "is ruled by {}",
}  # fmt: skip
"""Relations as clauses, for `the person who was born in ... and works for ...`."""
EARLIER: dict[str, tuple[str, ...]] = {
    "born": ("Who was born earlier, {} or {}?", "Who is older: {} or {}?"),
    "published": ("Which was published earlier, {} or {}?", "Which appeared first: {} or {}?"),
    "founded": ("Which was founded earlier, {} or {}?", "Which is older: {} or {}?"),
}
MENTIONED = (
    "in {year} news of {a} was carried to {b}, and nobody in {c} believed it.",
    "a letter of {year} complains about {a}, praises {b} and forgets {c}.",
    "the quarrel over {a} and {b} was settled in {year}, to the regret of {c}.",
    "a visitor of {year} compared {a} with {b} and preferred {c}.",
    "among the papers of {year} are drawings of {a}, {b} and {c}.",
)
"""Passages that name entities and say nothing that is asked."""
