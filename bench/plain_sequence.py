"""The sequence recipe as one would write it in torch: modules, autograd, cross-entropy over the whole catalogue.

`python -m bench.plain_sequence D WINDOW EPOCHS` trains on MovieLens-1M and prints seconds and GiB as JSON. It has the
batches, sizes, epochs and optimiser of `sartor.models.sequence`, and none of what that does to be quick.
"""

import json
import math
import resource
import sys
import time

import numpy as np
import torch
from quality import movielens
from torch import nn
from torch.nn import functional

from sartor.models import sequence_start
from sartor.models.base import TrainingData
from sartor.models.sequence_batches import Batches

HEADS, LAYERS, DROPOUT, SMOOTHING, POSITIONS = 4, 2, 0.1, 0.1, 2_048


class Block(nn.Module):
    def __init__(self, d: int, window: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.feed_forward = nn.Sequential(
            nn.Linear(d, 2 * d), nn.GELU(), nn.Dropout(DROPOUT), nn.Linear(2 * d, d), nn.Dropout(DROPOUT)
        )
        self.dropout = nn.Dropout(DROPOUT)
        slopes = 2.0 ** (-8 * torch.arange(1, HEADS + 1) / HEADS) / 2
        self.near = nn.Parameter(-slopes[:, None] * torch.arange(window))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pieces, length, d = x.shape
        steps = torch.arange(length)
        distance = steps[:, None] - steps
        mask = self.near[:, distance.clamp_min(0)].masked_fill(distance < 0, -math.inf)
        q, k, v = self.qkv(self.norm1(x)).view(pieces, length, 3, HEADS, d // HEADS).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.dropout(self.out(y.transpose(1, 2).reshape(x.shape)))
        y = self.feed_forward(self.norm2(x))
        assert isinstance(y, torch.Tensor)
        return x + y


class Plain(nn.Module):
    def __init__(self, data: TrainingData, d: int, window: int) -> None:
        super().__init__()
        self.items = nn.Embedding(data.n_items + 1, d)
        nn.init.normal_(self.items.weight, std=sequence_start.DEVIATION)
        start = sequence_start.embeddings(data.histories, data.n_items, d, 0)
        self.items.weight.data[:-1] = torch.from_numpy(start)
        self.bias = nn.Parameter(torch.zeros(data.n_items))
        self.blocks = nn.Sequential(*(Block(d, window) for _ in range(LAYERS)))
        self.dropout, self.norm = nn.Dropout(DROPOUT), nn.LayerNorm(d)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        states = self.norm(self.blocks(self.dropout(self.items(inputs))))
        assert isinstance(states, torch.Tensor)
        return states


def train(data: TrainingData, d: int, window: int, epochs: int) -> Plain:
    model = Plain(data, d, window)
    decaying = [value for name, value in model.named_parameters() if value.ndim == 2 and "weight" in name]
    decaying = [value for value in decaying if value is not model.items.weight]
    others = [value for value in model.parameters() if all(value is not one for one in decaying)]
    optimizer = torch.optim.AdamW(
        [{"params": decaying, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}],
        lr=3e-3 * (64 / d) ** 0.5,
        betas=(0.9, 0.98),
    )
    rng = np.random.default_rng(0)
    batches = Batches(data.histories, data.n_items, window, POSITIONS)
    steps = epochs * math.ceil(batches.positions / POSITIONS * 1.1)
    warm = max(round(steps * 0.05), 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / warm, 0.02 + 0.49 * (1 + math.cos(math.pi * min(step / steps, 1)))),
    )
    for _ in range(epochs):
        for batch in batches.epoch(rng):
            states = model(torch.from_numpy(batch.inputs)).flatten(0, 1)[torch.from_numpy(batch.filled)]
            logits = states @ model.items.weight[:-1].T + model.bias
            targets = torch.from_numpy(batch.targets)
            loss = functional.cross_entropy(logits, targets, label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return model


if __name__ == "__main__":
    torch.set_num_threads(2)
    torch.manual_seed(0)
    data = movielens.training(movielens.users())
    begun = time.perf_counter()
    train(data, *map(int, sys.argv[1:]))
    seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))
