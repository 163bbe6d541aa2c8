"""Table and figure of `imbax bench`, made from its JSON file.

python benchmarks/figure.py benchmarks/results/bench/bench.json benchmarks/results/bench/bench.png
"""

import argparse
from pathlib import Path

from imbax.bench.measure import read
from imbax.bench.report import draw, show, table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures", type=Path, metavar="JSON")
    parser.add_argument("out", type=Path, metavar="PNG")
    options = parser.parse_args()
    found = read(options.figures)
    show(table(found))
    print(draw(found, options.out))


if __name__ == "__main__":
    main()
