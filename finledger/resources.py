"""Where the files that come with the program lie: `templates/`, `pricebooks/`, `samples/`.

In a checkout they are at the top of the repository, where a reader looks for them; a wheel carries copies of them inside
the package, in `finledger/_shipped/`. Whoever needs one asks here and does not care which.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """The folder of that name that came with the program. `LookupError` when the installation lacks it: a build's fault.

    An installed package looks in itself first, so that an unrelated folder beside it in site-packages is never taken.
    """
    for candidate in (_PACKAGE / "_shipped" / folder, _PACKAGE.parent / folder):
        if candidate.is_dir() and (candidate.parent != _PACKAGE.parent or _is_checkout()):
            return candidate
    raise LookupError(f"this installation of finledger lacks its {folder}/ folder")


def _is_checkout() -> bool:
    return (_PACKAGE.parent / "pyproject.toml").is_file()
