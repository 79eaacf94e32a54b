#!/usr/bin/env python3
"""Fetches the pinned third-party parts into the cache and unpacks them.

    fetch.py [--verify] [--list] [PART ...]

A part is a lock file in third_party/locks: requirement lines with hashes, which
pip itself verifies, behind comment lines that say where what belongs:

    # part: text for people
    # needs: wheel | source | npm
    # npm: package@version hash        (with "needs: npm", in place of requirements)
    # dest: folder below the cache
    # file: path in the package [-> name]
    # tree: folder in the package [-> name]     (without a name: its content)
    # skip: folder names to leave out of trees
    # join: name = package:file package:file …
    # sha256: name hash

A part that is there is skipped (its stamp holds the lock's hash), so that
nothing is asked of the network the second time. Only the standard library and
pip are used, and nothing that is fetched is ever run.
"""
import fnmatch
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

LOCKS = Path(__file__).resolve().parent / "locks"
DEFAULT = ["llama.cpp", "onnxruntime", "smollm2", "joe", "espeak"]


def cache_dir():
    if os.environ.get("REPARTEE_CACHE"):
        return Path(os.environ["REPARTEE_CACHE"])
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "repartee"
    return Path.home() / ".cache" / "repartee"


class Failure(Exception):
    pass


class Part:
    def __init__(self, name):
        self.path = LOCKS / f"{name}.lock"
        if not self.path.is_file():
            have = ", ".join(sorted(p.stem for p in LOCKS.glob("*.lock")))
            raise Failure(f'no part is called "{name}"; there are: {have}')
        self.name = name
        text = self.path.read_text()
        self.patches = sorted((LOCKS.parent / "patches").glob(f"{name}-*.patch"))
        self.lock_hash = hashlib.sha256("".join([text] + [p.read_text() for p in self.patches]).encode()).hexdigest()
        self.rules = re.findall(r"^# (part|needs|npm|dest|file|tree|skip|join|sha256): (.+)$", text, re.M)

    def all(self, key):
        return [value.strip() for k, value in self.rules if k == key]

    def one(self, key, default=""):
        return (self.all(key) or [default])[0]

    def stamp(self, cache):
        return cache / "stamps" / f"{self.name}.stamp"

    def fresh(self, cache, verify):
        stamp = self.stamp(cache)
        if not stamp.is_file():
            return False
        lock, *files = stamp.read_text().splitlines()
        if lock != self.lock_hash:
            return False
        for line in files:
            digest, _, name = line.partition("  ")
            path = cache / name
            if not path.exists() or verify and sha256(path) != digest:
                return False
        return True


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def download_npm(part, folder):
    for rule in part.all("npm"):
        package = rule.split()[0]
        done = subprocess.run(["npm", "pack", "--silent", "--ignore-scripts", package, "--pack-destination", str(folder)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Failure(f"npm could not download {package}: {done.stderr.strip()[:400]}")
    wanted = {rule.split()[1] for rule in part.all("npm")}
    for archive in folder.iterdir():
        if sha256(archive) not in wanted:
            raise Failure(f"part {part.name}: {archive.name} has another SHA-256 than pinned")


def download(part, folder):
    if part.one("needs") == "npm":
        return download_npm(part, folder)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes",
               "--disable-pip-version-check", "-r", str(part.path), "-d", str(folder)]
    if part.one("needs") == "source":
        command += ["--no-binary=:all:"]
    else:
        if os.uname().machine != "x86_64":
            raise Failure(f"part {part.name} is pinned for x86_64, this machine is {os.uname().machine}")
        command += ["--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp"]
        for tag in ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014"):
            command += ["--platform", f"{tag}_x86_64"]
    done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        reason = [line for line in done.stderr.splitlines() if "ERROR" in line] or done.stderr.splitlines()[-1:]
        raise Failure(f"pip could not download part {part.name}: {' '.join(reason)[:400]}")


def unpack(archive, folder):
    """Unpacks an archive, refusing names that would leave the folder."""
    folder.mkdir()
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as z:
            z.extractall(folder)  # zipfile itself drops ".." and absolute names
        return
    with tarfile.open(archive) as t:
        for member in t.getmembers():
            target = os.path.normpath(member.name)
            if target.startswith(("..", "/")) or member.isdev():
                raise Failure(f"{archive.name} holds the path {member.name}")
        t.extractall(folder)


def take(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    os.replace(source, target)


def install(part, unpacked, stage, dest):
    """Puts the part's files below stage, under the names they will have below dest."""
    def find_all(pattern):
        found = [root / pattern for root in unpacked if (root / pattern).exists()]
        if not found:
            raise Failure(f"part {part.name} lacks {pattern}")
        return found

    def find(pattern):
        return find_all(pattern)[0]

    skip = part.one("skip").split()
    for key in ("file", "tree"):
        for rule in part.all(key):
            source, _, name = (s.strip() for s in rule.partition("->"))
            if key == "tree":
                # Several packages may hold pieces of one tree: CUDA's do.
                ignore = (lambda _, names: [n for n in names if any(fnmatch.fnmatch(n, s) for s in skip)])
                for path in find_all(source):
                    shutil.copytree(path, stage / name if name else stage, symlinks=True, ignore=ignore, dirs_exist_ok=True)
            else:
                shutil.copy2(find(source), stage / (name or Path(source).name))
    for rule in part.all("join"):
        name, _, pieces = (s.strip() for s in rule.partition("="))
        with open(stage / name, "wb") as out:
            for piece in pieces.split():
                with open(find(piece.replace(":", "/")), "rb") as file:
                    shutil.copyfileobj(file, out)
    for rule in part.all("sha256"):
        name, want = rule.split()
        if sha256(stage / name) != want:
            raise Failure(f"part {part.name}: {name} has another SHA-256 than pinned")


def fetch(name, cache, verify):
    part = Part(name)
    if part.fresh(cache, verify):
        print(f"  have   {part.one('part')}", file=sys.stderr)
        return
    print(f"  fetch  {part.one('part')}", file=sys.stderr)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as tmp:
        tmp = Path(tmp)
        (tmp / "dl").mkdir()
        download(part, tmp / "dl")
        unpacked = []
        for i, archive in enumerate(sorted((tmp / "dl").iterdir())):
            unpacked.append(tmp / f"u{i}")
            unpack(archive, unpacked[-1])
        stage = tmp / "stage"
        stage.mkdir()
        install(part, unpacked, stage, part.one("dest"))
        patch(part, stage)
        dest = cache / part.one("dest")
        lines = [part.lock_hash]
        for path in sorted(stage.iterdir()):
            if path.is_file():
                lines.append(f"{sha256(path)}  {(dest / path.name).relative_to(cache)}")
        if part.all("file") and not part.all("tree") or part.all("join"):
            for path in sorted(stage.iterdir()):
                take(path, dest / path.name)
        else:
            take(stage, dest)
        stamp = part.stamp(cache)
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text("\n".join(lines) + "\n")


def patch(part, stage):
    """Applies the project's own patches to a source part."""
    for diff in part.patches:
        done = subprocess.run(["patch", "-p1", "-s", "-d", str(stage), "-i", str(diff)], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"{diff.name} does not apply: {done.stdout.strip()[:300]}")


def main(arguments):
    verify = "--verify" in arguments
    names = [a for a in arguments if not a.startswith("--")] or DEFAULT
    if "--list" in arguments:
        for path in sorted(LOCKS.glob("*.lock")):
            print(f"{path.stem:16} {Part(path.stem).one('part')}")
        return 0
    try:
        for name in names:
            fetch(name, cache_dir(), verify)
    except (Failure, OSError) as err:
        print(f"fetch: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
