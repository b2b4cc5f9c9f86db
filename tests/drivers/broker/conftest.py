"""Makes the doubles importable."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(TESTS / "conformance"), str(TESTS / "faults")]
