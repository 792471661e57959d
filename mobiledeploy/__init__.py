"""Take a Keras MobileNet to a phone, with proof."""

from mobiledeploy._version import __version__

__all__ = ["__version__"]
