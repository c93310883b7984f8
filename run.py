"""Hydra entry: composes the configuration and runs its task."""

from exray.app.run_command import main

if __name__ == "__main__":
    main()
