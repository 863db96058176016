"""Sequence packing: micro-batches of whole rows, laid end to end without padding.

Rows are assigned to micro-batches longest first, each to the one with the fewest tokens, so that
all have about the same size and none exceeds the budget. Positions start again at every row and
attention stays inside it (see `attention`), so log-probabilities do not depend on what else is in
the pack. A pack keeps only what the loss reads: the policy tokens, where they are, and their
streams.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from turnwise.errors import DataError
from turnwise.records import Row


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """T tokens of some rows, N of them written by the policy."""

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
    """[N] int64: number of the (trajectory, turn) within the pack."""
    trajectory: torch.Tensor
    """[N] int64: number of the trajectory within the pack."""
    streams: dict[str, torch.Tensor]
    """[N] float32 by name."""
    rows: tuple[int, ...]
    """Indices of the rows in the list they were chosen from."""


def plan(
    rows: Sequence[Row], budget: int, together: bool = False, multiple: int = 1
) -> list[list[int]]:
    """Divide rows into micro-batches; return lists of row indices, each index once.

    Args:
        budget: most tokens of a micro-batch. A longer row (or trajectory) gets one of its own.
        together: keep all rows of a trajectory in one micro-batch, in order.
        multiple: the number of micro-batches is a multiple of this (the number of processes), with
            empty ones at the end.
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
        filled = _distribute(sized, bins)
        # With one unit in each bin, only units that are larger than the budget exceed it.
        if bins >= len(sized) or all(
            size <= budget or len(members) == 1 for size, members in filled
        ):
            break
        bins += 1
    batches = [sorted(i for unit in members for i in unit) for _, members in filled if members]
    return batches + [[] for _ in range(-len(batches) % multiple)]


def _distribute(
    sized: Sequence[tuple[int, list[int]]], bins: int
) -> list[tuple[int, list[list[int]]]]:
    loads = np.zeros(bins, dtype=np.int64)
    members: list[list[list[int]]] = [[] for _ in range(bins)]
    for size, unit in sized:
        emptiest = int(loads.argmin())
        loads[emptiest] += size
        members[emptiest].append(unit)
    return [(int(load), units) for load, units in zip(loads, members, strict=True)]


def pack(rows: Sequence[Row], chosen: Sequence[int], device: torch.device | str = "cpu") -> Pack:
    """Lay the chosen rows end to end, each cut after its last policy token.

    Without rows the pack is one token that predicts nothing, for a process that has no rows left
    but must take part in a collective forward pass.

    Raises:
        DataError: for a row without a policy token, or whose first token is one (nothing predicts
            it).
    """
    if not len(chosen):
        return _empty_pack(device)
    picked = [rows[i] for i in chosen]
    places = [np.flatnonzero(row.mask) for row in picked]
    for row, place in zip(picked, places, strict=True):
        if not len(place) or place[0] == 0:
            raise DataError(
                f"a row of trajectory {row.trajectory} cannot be trained on: "
                "it needs a prompt and a policy token"
            )
    # The last policy token is predicted but not read.
    lengths = tuple(int(place[-1]) for place in places)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    numbers = {uid: n for n, uid in enumerate(dict.fromkeys(row.trajectory for row in picked))}
    trajectory = [
        np.full(len(place), numbers[row.trajectory], dtype=np.int64)
        for row, place in zip(picked, places, strict=True)
    ]
    turns = [row.turn[place] for row, place in zip(picked, places, strict=True)]
    # Tokens of the environment, which SFT may train on, have turn -1. Shift to numbers from 0.
    low = min(0, min(int(turn.min()) for turn in turns))
    turns = [turn - low for turn in turns]
    most = 1 + max(int(turn.max()) for turn in turns)

    def joined(parts: Sequence[np.ndarray], kind: type = np.int64) -> torch.Tensor:
        return torch.from_numpy(np.concatenate(parts).astype(kind)).to(device)

    def stream(name: str) -> torch.Tensor:
        parts = [row.streams[name][place] for row, place in zip(picked, places, strict=True)]
        return joined(parts, np.float32)

    return Pack(
        ids=joined([row.ids[:length] for row, length in zip(picked, lengths, strict=True)]),
        positions=joined([np.arange(length) for length in lengths]),
        lengths=lengths,
        at=joined([start + place - 1 for start, place in zip(starts, places, strict=True)]),
        target=joined([row.ids[place] for row, place in zip(picked, places, strict=True)]),
        # One number for each (trajectory, turn), with gaps.
        turn=joined([of * most + turn for of, turn in zip(trajectory, turns, strict=True)]),
        trajectory=joined(trajectory),
        streams={name: stream(name) for name in picked[0].streams},
        rows=tuple(chosen),
    )


def _empty_pack(device: torch.device | str) -> Pack:
    none = torch.zeros(0, dtype=torch.int64, device=device)
    blank = torch.zeros(1, dtype=torch.int64, device=device)
    return Pack(
        ids=blank, positions=blank, lengths=(1,), at=none, target=none, turn=none, trajectory=none,
        streams={}, rows=(),
    )  # fmt: skip
