"""Size, operations and speed of every model, side by side in one run: `python -m benchmarks.models [NAME …]`.

The same as `python -m fv2es compare --parts sizes,speed`, so that `make bench` has it too.
"""

import sys

from fv2es.cli import main

if __name__ == "__main__":
    sys.exit(main(["compare", "--parts", "sizes,speed", *sys.argv[1:]]))
