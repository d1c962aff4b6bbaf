"""A detached signature of a seal, by a key that lies outside the books: `ssh-keygen`, as for signed commits (rule L2).

The chain of seals shows what was changed; a signature shows that nobody wrote the whole chain anew.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from finledger.core.problem import Misused, Problem, SourceRef
from finledger.write.files import write_all

NAMESPACE = "finledger"


def sign(seal: Path, key: Path) -> Path:
    """Sign out/PERIOD/seal.json with a private SSH key; returns the path of the signature beside it.

    `Misused`: no ssh-keygen, no such key, a key inside the books, or one that will not sign; an earlier signature stays then.
    """
    program = usable(key, seal.parents[2])
    done = subprocess.run(
        [program, "-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key)],
        input=seal.read_bytes(),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise Misused(f"{key} did not sign: {done.stderr.decode(errors='replace').strip()}")
    signature = seal.with_name(seal.name + ".sig")
    write_all({signature: done.stdout})
    return signature


def usable(key: Path, books: Path) -> str:
    """The program that signs with the key; `Misused` without it, or where the key cannot be meant."""
    program = _program()
    if not key.is_file():
        raise Misused(f"no key {key}: name the private key of an SSH key pair")
    if key.resolve().is_relative_to(books.resolve()):
        raise Misused(f"{key} lies in the books: whoever can change these could sign them, too; keep the key outside")
    return program


def check(seal: Path, shown: str, signers: Path) -> Problem | None:
    """Whether the seal is signed by one of the allowed signers (a file as `man ssh-keygen` describes: name, key)."""
    program = _program()
    signature = seal.with_name(seal.name + ".sig")
    if not signers.is_file():
        raise Misused(f"no file {signers}: it lists who may sign, a name and a public key in each line")
    if not signature.is_file():
        return Problem(
            "seal-unsigned",
            f"{shown} has no signature",
            SourceRef(shown),
            remedy=f"run `finledger close {_option(seal.parent.name)} --sign KEY`: the closed period stays as it is, and its seal "
            "is signed",
        )
    arguments = [program, "-Y", "find-principals", "-n", NAMESPACE, "-f", str(signers), "-s", str(signature)]
    found = subprocess.run(arguments, capture_output=True, text=True, check=False)
    for name in found.stdout.split():
        arguments = [program, "-Y", "verify", "-n", NAMESPACE, "-f", str(signers), "-I", name, "-s", str(signature)]
        if subprocess.run(arguments, input=seal.read_bytes(), capture_output=True, check=False).returncode == 0:
            return None
    return Problem(
        "seal-signature",
        f"the signature beside {shown} is not of this seal by anybody whom {signers.name} lists",
        SourceRef(f"{shown}.sig"),
        remedy="the seal was changed after it was signed, or somebody else signed it: compare the root with the documents'",
    )


def _option(period: str) -> str:
    return f"--{'quarter' if 'Q' in period else 'month'} {period}"


def _program() -> str:
    found = shutil.which("ssh-keygen")
    if found is None:
        raise Misused("signatures need the program ssh-keygen: install OpenSSH (apt-get install openssh-client)")
    return found
