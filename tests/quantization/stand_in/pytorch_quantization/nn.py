import torch

from pytorch_quantization import calls


class TensorQuantizer(torch.nn.Module):
    """Its arguments, methods and the property `amax`; the range of "entropy" is made up: half of the largest."""

    def __init__(self, quant_desc, disabled=False, if_quant=True, if_clip=False, if_calib=False):
        super().__init__()
        self._calibrator, self._if_quant, self._if_calib = quant_desc.calib_method, if_quant, if_calib
        self._disabled, self._if_clip = disabled, if_clip
        self._seen, self._amax = [], None
        calls.append(("TensorQuantizer", quant_desc.calib_method))

    @property
    def amax(self):
        return self._amax

    def forward(self, inputs):
        assert self._if_calib and not (self._if_quant or self._disabled or self._if_clip)
        assert torch.is_tensor(inputs) and not inputs.requires_grad
        self._seen.append(inputs.abs().flatten())
        return inputs

    def load_calib_amax(self, *args, **kwargs):
        calls.append(("load_calib_amax", *args, *sorted(kwargs.items())))
        seen = torch.cat(self._seen)
        if self._calibrator == "max":
            self._amax = self._max(seen, *args, **kwargs)
        else:
            self._amax = self._histogram(seen, *args, **kwargs)

    def _max(self, seen):
        return seen.max().reshape(1, 1, 1, 1)

    def _histogram(self, seen, method, *, stride=1, start_bin=128, percentile=99.99):
        assert method in ("entropy", "percentile") and start_bin == 128 and stride >= 1
        return torch.quantile(seen, percentile / 100) if method == "percentile" else seen.max() / 2

    def disable(self):
        self._disabled = True

    def enable(self):
        self._disabled = False

    def enable_calib(self):
        self._if_calib = True

    def disable_calib(self):
        self._if_calib = False

    def enable_quant(self):
        self._if_quant = True

    def disable_quant(self):
        self._if_quant = False
