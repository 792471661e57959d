"""A build on CPUs that this machine is not: arm64, and x86 without VNNI, under QEMU.

In comes a build; out goes a report of what its golden vectors give there. It proves arithmetic,
kernel by kernel, and says nothing of speed.
"""
