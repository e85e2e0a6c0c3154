"""bench_table.py - the rows of the table, and definitions by the thousand."""
import os

ROWS = []
FIGURES = {}


def row(what, value, unit, target=None, good=None):
    """One line of the table. `good` says whether the target is met; None: there is no target."""
    verdict = "" if good is None else ("met" if good else "MISSED")
    ROWS.append((what, value, unit, target or "", verdict))
    FIGURES[what] = {"value": value, "unit": unit, "target": target, "met": good}
    print(f"    {what}: {shown(value)} {unit} {verdict}", flush=True)


def shown(value):
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]


def write_vms(directory, count):
    """count definitions with an address each, in 10.0.0.0/8."""
    os.makedirs(directory)
    for i in range(count):
        with open(os.path.join(directory, f"vm{i}.json"), "w") as f:
            f.write('{\n  "name": "vm%d",\n  "mac": "%s",\n  "ip": "%s",\n  "distro": "debian-13",\n'
                '  "cpus": 2,\n  "memory": "1G"\n}\n' % (i, mac(i), ip(i)))


def mac(i):
    return f"52:54:10:{i >> 16 & 255:02x}:{i >> 8 & 255:02x}:{i & 255:02x}"


def ip(i):
    i += 256
    return f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}"
