"""What tilemill makes of pictures beside what Pillow, OpenCV and scikit-image make of them.

    reference TILEMILL [NAME…]

Each check states the largest difference that it allows, in levels of the depth it is made at.
"""

import subprocess
import sys

import colour  # noqa: F401
import containers  # noqa: F401
import described  # noqa: F401
import filters  # noqa: F401
import frames  # noqa: F401
import geometry  # noqa: F401
import jpeg  # noqa: F401
import jpeg2000  # noqa: F401
import jpeg_forms  # noqa: F401
import lab  # noqa: F401
import metadata  # noqa: F401
import pages  # noqa: F401
import png  # noqa: F401
import samples  # noqa: F401
import tiff  # noqa: F401
import tiff_codecs  # noqa: F401
import tiff_forms  # noqa: F401
import tiff_jpeg  # noqa: F401
from common import CHECKS


def main():
    words = sys.argv[2:]
    failed = passed = 0
    for function in CHECKS:
        name = function.__name__
        if words and not any(word in name for word in words):
            continue
        try:
            function()
            passed += 1
            print(f"ok      {name}")
        except subprocess.CalledProcessError as error:
            failed += 1
            print(f"FAILED  {name}: {error.stderr.decode().strip()}")
        except AssertionError as error:
            failed += 1
            print(f"FAILED  {name}: {error}")
        except (KeyError, OSError) as error:
            # A result that is not there.
            failed += 1
            print(f"FAILED  {name}: {error!r}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0 or passed == 0)


if __name__ == "__main__":
    main()
