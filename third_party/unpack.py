"""Takes the wanted files out of verified archives and puts them into the cache.

usage: unpack.py LOCK DOWNLOADS CACHE    unpack, then write the stamp
       unpack.py --check LOCK CACHE      exit 0 when the part is in place (names and sizes)
       unpack.py --verify LOCK CACHE     the same, reading every byte

The lock says what to take in comment lines: see README.md. Nothing is seen half-done: files are
unpacked beside the cache's own, renamed into it, and the stamp is written last. Only the standard
library is used.
"""

import base64
import hashlib
import os
import pathlib
import shutil
import sys
import tarfile
import zipfile


class Lock:
    """One lock file: what the part is and which files of its archives go where."""

    def __init__(self, path):
        text = pathlib.Path(path).read_text()
        self.name = pathlib.Path(path).stem
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        self.dest, self.npm, self.skip = "", "", []
        self.files, self.trees, self.joins, self.sums = [], [], [], {}
        for line in text.splitlines():
            if not line.startswith("# "):
                continue
            key, _, value = line[2:].partition(": ")
            if key == "dest":
                self.dest = value
            elif key == "npm":
                self.npm = value.split()[1]
            elif key == "skip":
                self.skip = value.split()
            elif key == "file":
                source, _, name = value.partition(" -> ")
                self.files.append((source, name or source.rsplit("/", 1)[-1]))
            elif key == "tree":
                source, _, name = value.partition(" -> ")
                self.trees.append((source.rstrip("/") + "/", name))
            elif key == "join":
                name, _, parts = value.partition(" = ")
                self.joins.append((name, parts.split()))
            elif key == "sha256":
                name, digest = value.split()
                self.sums[name] = digest


class Archive:
    """A wheel or a tar archive behind one pair of methods."""

    def __init__(self, path):
        self.path = path
        self.zip = zipfile.ZipFile(path) if zipfile.is_zipfile(path) else None
        self.tar = None if self.zip else tarfile.open(path)

    def names(self):
        if self.zip:
            return [i.filename for i in self.zip.infolist() if not i.is_dir()]
        return [m.name for m in self.tar.getmembers() if m.isfile()]

    def save(self, name, target):
        target.parent.mkdir(parents=True, exist_ok=True)
        source = self.zip.open(name) if self.zip else self.tar.extractfile(name)
        with source, open(target, "wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)


def digest_of(path):
    sha = hashlib.sha256()
    with open(path, "rb") as f:
        while chunk := f.read(1 << 20):
            sha.update(chunk)
    return sha.hexdigest()


def inside(base, name):
    """The path of name below base; refuses a name that leads out of it."""
    path = pathlib.Path(os.path.normpath(base / name))
    if base not in path.parents:
        sys.exit(f"{name}: leads out of the folder it is unpacked into")
    return path


def unpack(lock, downloads, stage):
    archives = [Archive(p) for p in sorted(downloads.iterdir()) if p.is_file()]
    if lock.npm:
        sums = {base64.b64encode(hashlib.sha512(a.path.read_bytes()).digest()).decode() for a in archives}
        if lock.npm.removeprefix("sha512-") not in sums:
            sys.exit("the archive does not have the pinned checksum")
    where = {}
    for archive in archives:
        for name in archive.names():
            where[name] = archive
    for source, name in lock.files:
        if source not in where:
            sys.exit(f"{source}: not in the archive")
        where[source].save(source, inside(stage, name))
    for prefix, name in lock.trees:
        found = [n for n in where if n.startswith(prefix)]
        if not found:
            sys.exit(f"{prefix}: not in the archive")
        for n in found:
            rest = n[len(prefix):]
            if rest.split("/", 1)[0] not in lock.skip:
                where[n].save(n, inside(stage, f"{name}/{rest}" if name else rest))
    for name, parts in lock.joins:
        with open(inside(stage, name), "wb") as out:
            for part in parts:
                package, _, file = part.partition(":")
                full = next((n for n in where if n.startswith(package + "/") and n.endswith("/" + file)), None)
                if full is None:
                    sys.exit(f"{part}: not in the archives")
                with where[full].zip.open(full) as source:
                    shutil.copyfileobj(source, out, 1 << 20)
    for name, digest in lock.sums.items():
        if digest_of(inside(stage, name)) != digest:
            sys.exit(f"{name}: does not have the pinned checksum")


def install(lock, stage, cache):
    """Renames what was unpacked into the cache and returns the stamp's lines."""
    lines = [f"lock {lock.digest}"]
    for path in sorted(p for p in stage.rglob("*") if p.is_file()):
        name = f"{lock.dest}/{path.relative_to(stage)}"
        lines.append(f"{digest_of(path)} {path.stat().st_size} {name}")
    dest = cache / lock.dest
    dest.mkdir(parents=True, exist_ok=True)
    for entry in stage.iterdir():
        target = dest / entry.name
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        os.replace(entry, target)
    return lines


def check(lock, cache, every_byte):
    try:
        lines = (cache / "stamps" / lock.name).read_text().splitlines()
    except OSError:
        return "not fetched yet"
    if not lines or lines[0] != f"lock {lock.digest}":
        return "its lock has changed"
    for line in lines[1:]:
        digest, size, name = line.split(" ", 2)
        try:
            if os.stat(cache / name).st_size != int(size):
                return f"{name} has another size"
        except OSError:
            return f"{name} is missing"
        if every_byte and digest_of(cache / name) != digest:
            return f"{name} has another checksum"
    return ""


def main(args):
    if args and args[0] in ("--check", "--verify"):
        why = check(Lock(args[1]), pathlib.Path(args[2]), args[0] == "--verify")
        if why:
            print(why)
        return 1 if why else 0
    lock, downloads, cache = Lock(args[0]), pathlib.Path(args[1]), pathlib.Path(args[2])
    stage = cache / "stage" / lock.name
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    unpack(lock, downloads, stage)
    lines = install(lock, stage, cache)
    shutil.rmtree(stage)
    stamp = cache / "stamps" / lock.name
    stamp.parent.mkdir(exist_ok=True)
    beside = stamp.with_suffix(".new")
    beside.write_text("\n".join(lines) + "\n")
    os.replace(beside, stamp)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as err:
        sys.exit(str(err))
