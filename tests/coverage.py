#!/usr/bin/env python3
"""coverage.py OBJECTS HTML - which lines the tests reached, as gcov counts them: a table by component on
stdout, and each file in HTML/. Runs in the builder, after the tests with VARIANT=coverage (make coverage does that).

What no test program links (a main.c) counts as not reached; tests and fuzz targets do not count.
"""
import json
import os
import pathlib
import subprocess
import sys

LEAST = 10
ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;"})
STYLE = "body{font:14px sans-serif}td{padding:0 1em}pre{margin:0}.yes{background:#dfd}.no{background:#fcc}"


def line_counts(objects):
    """{file: {line: how often}} of our sources; a header's lines are those of all who include it."""
    files = {}
    notes = sorted(p for p in objects.rglob("*.gcno") if not p.name.startswith(("test_", "fuzz_")))
    said = subprocess.run(["gcov", "--json-format", "--stdout", *notes], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True).stdout
    for one in said.splitlines():
        for file in json.loads(one)["files"]:
            # What was renamed leaves its notes behind.
            if file["file"].startswith(("/", "tests/")) or not os.path.exists(file["file"]):
                continue
            counts = files.setdefault(os.path.normpath(file["file"]), {})
            for line in file["lines"]:
                counts[line["line_number"]] = max(line["count"], counts.get(line["line_number"], 0))
    return files


def figures(files):
    """(lines, covered, per cent) of several files together."""
    lines = sum(len(c) for c in files)
    covered = sum(1 for c in files for count in c.values() if count)
    return lines, covered, 100 * covered / lines if lines else 100.0


def page(title, body):
    return f"<!DOCTYPE html><meta charset=utf-8><title>{title}</title><style>{STYLE}</style><h1>{title}</h1>{body}\n"


def write_html(out, files):
    rows = []
    for name, counts in sorted(files.items()):
        path = out / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        shown = []
        for number, text in enumerate(pathlib.Path(name).read_text().splitlines(), 1):
            count = counts.get(number)
            kind = "" if count is None else "yes" if count else "no"
            shown.append(f'<pre class="{kind}">{number:5} {"" if count is None else count:>9}  {text.translate(ENTITIES)}</pre>')
        path.write_text(page(name, "".join(shown)))
        rows.append("<tr><td><a href='%s.html'>%s</a><td>%d<td>%d<td>%.1f" % (name, name, *figures([counts])))
    (out / "index.html").write_text(page("Lines that the tests reach",
                                         "<table><tr><th>file<th>lines<th>covered<th>%" + "".join(rows) + "</table>"))


def main():
    objects, out = map(pathlib.Path, sys.argv[1:])
    files = line_counts(objects)
    components = {}
    for name, counts in files.items():
        components.setdefault(name.split("/")[0], []).append(counts)
    print(f"{'component':14}{'lines':>8}{'covered':>9}{'per cent':>10}")
    for name, of in [*sorted(components.items()), ("all", files.values())]:
        print("%-14s%8d%9d%10.1f" % (name, *figures(of)))
    print(f"\nthe {LEAST} files least covered")
    for name, counts in sorted(files.items(), key=lambda f: figures([f[1]])[2])[:LEAST]:
        print("%6.1f  %s (%d of %d lines)" % (figures([counts])[2], name, *figures([counts])[1::-1]))
    write_html(out, files)
    print(f"\n{out}/index.html shows them line by line")


main()
