"""Two files compared by the numbers that stand in them, layer by layer.

In come two readings; out goes a report of what differs, whether it can change an output, and why
in words. Nothing is run: what no image at hand shows is found as well.
"""
