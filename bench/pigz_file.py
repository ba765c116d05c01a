"""pigz_file: wall time of pigz -p 2 on a real file.

The file is an archive of what the system ships: shared libraries, headers and texts in a fixed order until it
has 52 MiB.  It is made once per build directory.  Every output is decompressed (by zlib, not by pigz) and its
checksum compared with the file's.
"""
import hashlib
import os
import shlex
import shutil
import subprocess
import tarfile
import time
import zlib

from running import Sample, Trouble, maps_of, tail, wait

SIZE = 52 << 20
# In turns, so that every part of the file has programs and texts; the last ones only fill up.
SOURCES = ("/usr/lib", "/usr/share/perl", "/usr/include", "/usr/share/i18n", "/usr/share/doc", "/usr/share")


def files_below(top):
    for where, dirs, names in os.walk(top):
        dirs.sort()
        for name in sorted(names):
            path = os.path.join(where, name)
            # A single large file would be all there is.
            if os.path.isfile(path) and not os.path.islink(path) and 0 < os.path.getsize(path) <= 4 << 20:
                yield path


def anonymous(info):
    info.mtime = info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


def make_corpus(path):
    turns = [files_below(top) for top in SOURCES]
    seen = set()
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        while turns and tar.offset < SIZE:
            for turn in list(turns):
                name = next(turn, None)
                if name is None:
                    turns.remove(turn)
                elif name not in seen:
                    seen.add(name)
                    try:
                        tar.add(name, recursive=False, filter=anonymous)
                    except (OSError, ValueError):
                        continue  # unreadable, or a name too long for the format
    if os.path.getsize(path) < SIZE:
        raise Trouble("found no %d MiB of files below %s" % (SIZE >> 20, ", ".join(SOURCES)))


def checksum(chunks):
    h = hashlib.sha256()
    for chunk in chunks:
        h.update(chunk)
    return h.hexdigest()


def chunks_of(path):
    with open(path, "rb") as f:
        while True:
            chunk = f.read(1 << 20)
            if not chunk:
                return
            yield chunk


def decompressed(path):
    d = zlib.decompressobj(31)
    for chunk in chunks_of(path):
        while chunk:
            yield d.decompress(chunk)
            chunk = d.unused_data
            if d.eof and chunk:
                d = zlib.decompressobj(31)
    if not d.eof:
        raise Trouble("pigz's output ends too early")


def corpus(run):
    """(path, checksum); made when missing, read in any case, so that it is in memory."""
    if not hasattr(run, "corpus"):
        path = os.path.join(run.kept, "corpus.tar")
        if not os.path.exists(path):
            make_corpus(path + ".new")
            os.rename(path + ".new", path)
        run.corpus = (path, checksum(chunks_of(path)))
    return run.corpus


def measure_pigz(run, model):
    pigz = shutil.which("pigz")
    if not pigz:
        raise Trouble("pigz is not installed")
    path, expected = corpus(run)
    out = run.path("corpus.gz")
    argv = [pigz, "-p", "2", "-c", path]
    wrong = "it ended before one could look"
    with open(out, "wb") as f, open(run.path("pigz.err"), "w+b") as err:
        start = time.monotonic()
        with subprocess.Popen(argv, env=model.environment(), stdin=subprocess.DEVNULL, stdout=f,
                              stderr=err) as child:
            # The loader needs a moment: look until the library is there.
            while wrong and child.poll() is None and time.monotonic() < start + 1:
                maps = maps_of(child)
                if "/libz.so" in maps:  # loaded after what is preloaded
                    wrong = model.check_maps(maps, run.models)
                    break
                time.sleep(0.002)
            status = wait(child, run.LIMIT)
            ms = (time.monotonic() - start) * 1000
        err.seek(0)
        if status != 0:
            raise Trouble("pigz: exit code %d%s" % (status, tail(err.read())))
    if wrong:
        raise Trouble("pigz: " + wrong)
    try:
        if checksum(decompressed(out)) != expected:
            raise Trouble("pigz's output is not the file that it compressed")
    except zlib.error as e:
        raise Trouble("pigz's output is broken: %s" % e) from None
    keys = {"bytes": str(os.path.getsize(path)), "compressed": str(os.path.getsize(out))}
    os.unlink(out)
    env = ["%s=%s" % pair for pair in sorted(model.shown_environment().items())]
    return Sample(ms, shlex.join(env + argv) + " >/dev/null", keys)
