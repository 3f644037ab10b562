"""`python -m fv2es`."""

import sys

from fv2es.cli import main

if __name__ == "__main__":
    sys.exit(main())
