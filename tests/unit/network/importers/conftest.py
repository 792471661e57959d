"""`make_torch_exports.py` is run by hand: it needs PyTorch."""

collect_ignore = ["make_torch_exports.py"]
