"""counts.py - a campaign's last lines: what was tried, how often, and how often it went as required."""


def tell(record_testsuite_property, rows, unit):
    """Leaves rows, {what was tried: (how often, how often as required)}, in the JUnit file; main.py shows them at the end."""
    for row, (tried, good) in rows.items():
        record_testsuite_property(row, f"{tried:>5} {unit}  {good:>5} as required")
