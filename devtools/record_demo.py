"""Draw the demo as a terminal picture: `python -m devtools.record_demo docs/demo.svg`.

The picture is of a real run. It leaves out chapters, and says where.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 112
TITLE = "python3 dev.py demo"

# Chapters to show, and how many of a chapter's commands; None is all of them.
CHAPTERS = {3: None, 4: 2, 6: None, 8: None}

# From the cursor hidden to the cursor back, and the line above erased, as rich does it.
_BAR = re.compile(r"\x1b\[\?25l.*?\x1b\[\?25h\r\x1b\[1A\x1b\[2K", re.DOTALL)

# rich's own template loads a font from the network; the reader's own will do.
_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" class="rich-terminal" viewBox="0 0 {width} {height}">
    <style>
    .{unique_id}-matrix {{
        font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace;
        font-size: {char_height}px;
        line-height: {line_height}px;
        font-variant-east-asian: full-width;
    }}
    .{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
        <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
    </defs>
    {chrome}
    <g transform="translate({terminal_x}, {terminal_y})"
       clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
    </g>
</svg>
"""


def main(arguments: list[str]) -> int:
    """Run the demo and write the picture to the file that the one argument names."""
    (target,) = arguments
    done = subprocess.run(
        [sys.executable, "-m", "sample_project.demo"],
        env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)},
        stdout=subprocess.PIPE,
        check=True,
    )
    console = Console(record=True, width=COLUMNS, file=Path(os.devnull).open("w"))  # noqa: SIM115
    console.print(Text.from_ansi(excerpt(without_bars(done.stdout.decode()))), soft_wrap=False)
    svg = console.export_svg(title=TITLE, code_format=_SVG, unique_id="demo")
    lines = (line.rstrip() for line in svg.splitlines())
    Path(target).write_text("\n".join([*lines, ""]), encoding="utf-8")
    return 0


def without_bars(output: str) -> str:
    """Return what is left when the bars are done: a terminal erases them."""
    return _BAR.sub("", output)


def excerpt(output: str) -> str:
    """Return the chapters that are shown."""
    title, *chapters = re.split(r"(?=^\x1b\[\S*?\d+\. )", output, flags=re.MULTILINE)
    parts = [title.splitlines()[0]]
    for number, chapter in enumerate(chapters, 1):
        if number in CHAPTERS:
            commands = re.split(r"(?=^\x1b\[\S*?\$ )", chapter, flags=re.MULTILINE)
            wanted = CHAPTERS[number]
            shown = commands if wanted is None else commands[: wanted + 1]
            parts.append("".join(shown).strip())
            if len(shown) < len(commands):
                parts.append("…")
        elif parts[-1] != "…":
            parts.append("…")
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
