"""``flashtalk plan --check-published``: do the files on the Hub fit? A line for each network."""

from __future__ import annotations

import sys


def check_files(name: str) -> int:
    """Print what is found; returns 0 if all files fit, 1 if not."""
    from flashtalk.weights.check_published import check_published  # its client is slow to import

    findings = check_published(name)
    lines = [
        f"{each.name:<16}{f'{each.bytes / 1e9:.2f} GB' if each.fits else '':>10}  {each.sentence}"
        for each in findings
    ]
    wrong = [each.name for each in findings if not each.fits]
    total = sum(each.bytes for each in findings) / 1e9
    verdict = f"Fits: all {len(findings)} networks, {total:.2f} GB to fetch."
    if wrong:
        verdict = f"Does not fit: {', '.join(wrong)}."
    sys.stdout.write("\n".join([*lines, "", verdict, ""]))
    return 1 if wrong else 0
