"""Rows laid end to end: micro-batches without padding.

Rows are dealt into micro-batches longest first, each to the emptiest, so that all hold about as
many tokens and none more than the budget. Within one, positions start again at every row and
attention stays inside it (see `attention`), so a token's log-probability does not know what else
was packed. Only what the loss reads is kept: where the policy tokens are, what they are, and their
streams.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from turnwise.errors import DataError
from turnwise.records import Row

EMPTY: Mapping[str, np.ndarray] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """T tokens of some rows, N of them produced by the policy."""

    ids: torch.Tensor
    """[T] int64."""
    positions: torch.Tensor
    """[T] int64, from 0 in every row."""
    lengths: tuple[int, ...]
    """Tokens of each row; they sum to T."""
    at: torch.Tensor
    """[N] int64: index of the token that predicts each policy token."""
    target: torch.Tensor
    """[N] int64: the policy tokens."""
    turn: torch.Tensor
    """[N] int64: unique for each (trajectory, turn) here."""
    trajectory: torch.Tensor
    """[N] int64: unique for each trajectory here."""
    streams: dict[str, torch.Tensor]
    """[N] float32 by name."""
    rows: tuple[int, ...]
    """Which rows, by their index in the list that was planned."""


def plan(
    rows: Sequence[Row], budget: int, together: bool = False, multiple: int = 1
) -> list[list[int]]:
    """Micro-batches as lists of row indices, each index once.

    Args:
        budget: tokens of a micro-batch. A row (or trajectory) longer than that has one for itself.
        together: keep all rows of a trajectory in one micro-batch, in their order.
        multiple: make the number of micro-batches a multiple of this (processes), with empty ones
            where rows run out.
    """
    units: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        units.setdefault(row.trajectory if together else str(i), []).append(i)
    sized = sorted(
        ((sum(len(rows[i].ids) for i in unit), unit) for unit in units.values()),
        key=lambda item: (-item[0], item[1]),
    )
    total = sum(size for size, _ in sized)
    bins = max(1, math.ceil(total / budget))
    while True:
        filled = _deal(sized, bins)
        # Past one unit a bin, only units larger than the budget are left over it, and they are
        # alone.
        if bins >= len(sized) or all(size <= budget or len(units_) == 1 for size, units_ in filled):
            break
        bins += 1
    batches = [sorted(i for unit in dealt for i in unit) for _, dealt in filled if dealt]
    return batches + [[] for _ in range(-len(batches) % multiple)]


def _deal(sized: Sequence[tuple[int, list[int]]], bins: int) -> list[tuple[int, list[list[int]]]]:
    loads = np.zeros(bins, dtype=np.int64)
    dealt: list[list[list[int]]] = [[] for _ in range(bins)]
    for size, unit in sized:
        emptiest = int(loads.argmin())
        loads[emptiest] += size
        dealt[emptiest].append(unit)
    return [(int(load), units) for load, units in zip(loads, dealt, strict=True)]


def pack(rows: Sequence[Row], chosen: Sequence[int], device: torch.device | str = "cpu") -> Pack:
    """Lay the chosen rows end to end; what follows the last policy token of a row is left out.

    Without rows it is one token that predicts nothing: a process that has no work in a round still
    takes part in it.

    Raises:
        DataError: for a row whose first token is a policy token (nothing predicts it), or without
            any.
    """
    if not len(chosen):
        none = torch.zeros(0, dtype=torch.int64, device=device)
        blank = torch.zeros(1, dtype=torch.int64, device=device)
        return Pack(
            ids=blank,
            positions=blank,
            lengths=(1,),
            at=none,
            target=none,
            turn=none,
            trajectory=none,
            streams={},
            rows=(),
        )
    picked = [rows[i] for i in chosen]
    places = [np.flatnonzero(row.mask) for row in picked]
    for row, place in zip(picked, places, strict=True):
        if not len(place) or place[0] == 0:
            raise DataError(
                f"a row of trajectory {row.trajectory} cannot be trained on: it needs a prompt and a policy token"
            )
    lengths = tuple(
        int(place[-1]) for place in places
    )  # the last policy token is predicted, not read
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    numbers = {uid: n for n, uid in enumerate(dict.fromkeys(row.trajectory for row in picked))}
    trajectory = [
        np.full(len(place), numbers[row.trajectory], dtype=np.int64)
        for row, place in zip(picked, places, strict=True)
    ]
    turns = [row.turn[place] for row, place in zip(picked, places, strict=True)]
    # Tokens of the environment, which a warm start may train on, have turn -1: that too is a number
    # of its own.
    low = min(0, min(int(turn.min()) for turn in turns))
    turns = [turn - low for turn in turns]
    most = 1 + max(int(turn.max()) for turn in turns)

    def whole(parts: Sequence[np.ndarray], kind: type = np.int64) -> torch.Tensor:
        return torch.from_numpy(np.concatenate(parts).astype(kind)).to(device)

    return Pack(
        ids=whole([row.ids[:length] for row, length in zip(picked, lengths, strict=True)]),
        positions=whole([np.arange(length) for length in lengths]),
        lengths=lengths,
        at=whole([start + place - 1 for start, place in zip(starts, places, strict=True)]),
        target=whole([row.ids[place] for row, place in zip(picked, places, strict=True)]),
        turn=whole([of * most + turn for of, turn in zip(trajectory, turns, strict=True)]),
        trajectory=whole(trajectory),
        streams={
            n: whole([row.streams[n][p] for row, p in zip(picked, places, strict=True)], np.float32)
            for n in picked[0].streams
        },
        rows=tuple(chosen),
    )
