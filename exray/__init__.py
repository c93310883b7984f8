"""EX-RAY: tells natural triggers of image classifiers from injected ones."""

from exray.torchvision_compat import install

install()
