"""Hydra entry: composes the configuration and hands it to exray.app."""

from exray.app.cli import main

if __name__ == "__main__":
    main()
