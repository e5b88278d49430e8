class QuantDescriptor:
    """https://docs.nvidia.com/deeplearning/tensorrt/pytorch-quantization-toolkit/docs/: `num_bits`, and as keywords
    `fake_quant`, `axis`, `amax`, `calib_method` ("max" or "histogram"), `unsigned`, `narrow_range` …"""

    def __init__(self, num_bits=8, name=None, *, fake_quant=True, axis=None, amax=None, learn_amax=False,
                 scale_amax=None, calib_method="max", unsigned=False, narrow_range=False):  # fmt: skip
        assert isinstance(num_bits, int) and axis is None and calib_method in ("max", "histogram")
        assert fake_quant and amax is None and not learn_amax and scale_amax is None and not unsigned
        self.calib_method = calib_method
