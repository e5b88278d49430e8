"""A network that gives more than boxes and scores, as one that gives those alone."""

from torch import Tensor, nn


class FirstOutput(nn.Module):
    """images [B, 3, H, W] → the first of what `network` gives: boxes [B, N, 4] and scores [B, N, C]."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.network(images)[0]
