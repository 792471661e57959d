"""A build on CPUs that this machine does not have: arm64, and x86 without VNNI, under QEMU.

In comes a build; out goes a report of what its golden vectors give there. It proves arithmetic,
kernel by kernel, and says nothing of speed.

* `verify`: compares the golden vectors with the outputs of emulated CPUs.
* `arm64`: emulated arm64 CPUs, with a Python that has both runtimes.
* `qemu`: runs one model on an emulated CPU.
* `guest_script`: the script that does so inside the emulator.
"""
