# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""How many times the time of a stock kernel it takes here: who waits for an answer waits so long."""
import os

SLOWER = int(os.environ.get("KFC_SLOWER", 1))
