"""`python -m ptft`: see `ptft.command`."""

import sys

from .command import main

sys.exit(main())
