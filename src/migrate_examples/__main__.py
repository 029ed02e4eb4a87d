"""``python -m migrate_examples``: the command by another name."""

import sys

from migrate_examples.cli import main

if __name__ == "__main__":
    sys.exit(main())
