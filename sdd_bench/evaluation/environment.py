"""What a result was computed with: software versions and machine."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata

_PACKAGES = ("sdd-bench", "numpy", "opencv-python", "scikit-image", "torch", "lpips")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that compute something in an evaluation."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in _PACKAGES}


def machine() -> dict[str, str]:
    """Operating system, processor and number of cores; nothing that names the machine or its owner."""
    # What follows the numbers is whatever the one who built the system calls it.
    release = re.match(r"[\d.]*\d", platform.release())
    return {
        "system": " ".join([platform.system(), *([release.group()] if release else [])]),
        "processor": platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
    }
