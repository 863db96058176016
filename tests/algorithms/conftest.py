"""Run torch on one thread: tensors here have tens of elements."""

import torch

torch.set_num_threads(1)
