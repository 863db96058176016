"""Log-probabilities and entropies over a large vocabulary: in chunks, and the plain way.

    OMP_NUM_THREADS=1 python benchmarks/loss.py                         # 1,024 tokens
    OMP_NUM_THREADS=1 python benchmarks/loss.py --tokens 4096 --entropy

The learner computes them in chunks; the plain way keeps the logits of all tokens. Each runs in its
own process, forward and backward through the head only, and prints its CPU time (wall time on a
GPU), its peak memory above the start, and the loss, which must agree. liger-kernel's fused
cross-entropy is measured too, where it is installed and there is a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

WAYS = ("plain", "chunked", "liger")


def one(way: str, tokens: int, vocabulary: int, hidden: int, entropy: bool) -> dict[str, float]:
    """Measure forward and backward of the mean log-probability (and entropy) of random targets."""
    import torch
    from torch import nn

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    head = nn.Linear(hidden, vocabulary, bias=False).to(device)
    states = torch.randn(tokens, hidden, device=device, requires_grad=True)
    target = torch.randint(vocabulary, (tokens,), device=device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before, begin = torch.cuda.memory_allocated(), time.perf_counter()
    else:
        head.weight.grad = torch.zeros_like(head.weight)  # allocated before the measurement
        before, begin = (
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            time.process_time(),
        )
    logp, wide = _scores(way, head, states, target, entropy)
    loss = -logp.mean() - (0.01 * wide.mean() if wide is not None else 0.0)
    loss.backward()
    if device.type == "cuda":
        torch.cuda.synchronize()
        spent, peak = time.perf_counter() - begin, torch.cuda.max_memory_allocated()
    else:
        spent, peak = (
            time.process_time() - begin,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )
    assert states.grad is not None
    return {
        "seconds": spent,
        "megabytes": (peak - before) / 1e6,
        "loss": float(loss.detach()),
        "gradient": float(states.grad.norm()),
    }


def _scores(way, head, states, target, entropy):  # type: ignore[no-untyped-def]
    import torch

    from turnwise.training.forward import scored

    if way == "chunked":
        return scored(head, states, target, entropy)
    if way == "liger":
        from liger_kernel.transformers.functional import liger_fused_linear_cross_entropy

        return -liger_fused_linear_cross_entropy(
            states, head.weight, target, reduction="none"
        ), None
    every = torch.log_softmax(head(states).float(), -1)
    logp = every.gather(1, target[:, None])[:, 0]
    return logp, -(every.exp() * every).sum(-1) if entropy else None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--vocabulary", type=int, default=151_936)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument(
        "--entropy",
        action="store_true",
        help="with the gradient of the entropy, as an entropy bonus needs",
    )
    parser.add_argument(
        "--way", choices=WAYS, help="measure one way in this process and print it as JSON"
    )
    asked = parser.parse_args()
    settings = (asked.tokens, asked.vocabulary, asked.hidden, asked.entropy)
    if asked.way:
        print(json.dumps(one(asked.way, *settings)))
        return
    print(
        f"{asked.tokens} tokens, vocabulary {asked.vocabulary:,}, hidden {asked.hidden}, "
        f"entropy {asked.entropy}"
    )
    found: dict[str, dict[str, float]] = {}
    for way in WAYS:
        command = [sys.executable, __file__, "--way", way, *(v for v in sys.argv[1:])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"  {way:8s} not measured: {done.stderr.strip().splitlines()[-1]}")
            continue
        found[way] = json.loads(done.stdout.splitlines()[-1])
        seconds, megabytes = found[way]["seconds"], found[way]["megabytes"]
        print(f"  {way:8s} {seconds:7.2f} s {megabytes:9.0f} MB   loss {found[way]['loss']:.6f}")
    plain, ours = found["plain"], found["chunked"]
    ratios = (ours[name] / plain[name] for name in ("seconds", "megabytes"))
    print("  chunked over plain: {:.2f}x the time, {:.3f}x the memory".format(*ratios))


if __name__ == "__main__":
    main()
